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
  type SSEParams,
  type StreamStart,
} from './connection.js'
export { type DecodedEvent, EventStreamDecoder } from './decoder.js'
export { CustomEventSource, type CustomEventSourceInit, SourceErrorEvent } from './event_source.js'
export type { PauseReason, Visibility } from './lifecycle.js'
export type {
  Balance,
  Candle,
  Contract,
  ContractDetails,
  ContractPriceResponse,
  DurationUnit,
  Envelope,
  EpochMs,
  ErrorBody,
  Instrument,
  InstrumentPrice,
  Price,
  Proposal,
  ProposalVariant,
  StreamState,
  Tick,
  Variant,
} from './messages.js'
export type { Pace } from './pace.js'
export { type Problem, SSEError } from './problem.js'
export { QueryStore } from './query_store.js'
export { Reconnection, type ReconnectPolicy } from './reconnect.js'
export { type StoreOptions, sharedQuery, sharedStore } from './store.js'
export { Credentials, type Token, type TokenProvider } from './tokens.js'
export { type TopicState, TopicStore } from './topic_store.js'
