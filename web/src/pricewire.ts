/**
 * Live trading data over Server-Sent Events, in the browser.
 *
 * @packageDocumentation
 */

export {
  type ConnectionState,
  type ControlEvent,
  createSSEConnection,
  type MessageOf,
  type ServerOptions,
  type SSEConnectionOptions,
  SSEError,
  type SSEParams,
  type StreamStart,
} from './connection.js'
export { type DecodedEvent, EventStreamDecoder } from './decoder.js'
export { CustomEventSource, type CustomEventSourceInit, type Problem, SourceErrorEvent } from './event_source.js'
export type { Candle, Envelope, EpochMs, ErrorBody, Instrument, InstrumentPrice, Price, Tick } from './messages.js'
export { DEFAULT_RECONNECT, Reconnection, type ReconnectPolicy } from './reconnect.js'
export { sharedStore, type TopicState, TopicStore } from './store.js'
