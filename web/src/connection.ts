import { CustomEventSource, type CustomEventSourceInit, SourceErrorEvent } from './event_source.js'
import { type PageWatchOptions, type PauseReason, watchPage } from './lifecycle.js'
import type { ContractPriceResponse, Envelope, ErrorBody, InstrumentPrice } from './messages.js'
import { type NetworkInformation, networkInterval } from './pace.js'
import { SSEError } from './problem.js'
import { renew } from './renewal.js'
import { call } from './report.js'
import { type Token, toCredentials } from './tokens.js'

/** The longest silence of a server that announces no heartbeat, in milliseconds. */
const IDLE_TIMEOUT = 60_000

/** The query parameters of a stream: `{ topic: ['ticks:R_100'] }` or `{ action: 'instrument_price', instrument_id: 'R_100' }`. */
export type SSEParams = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** The messages of a stream with these parameters. */
export type MessageOf<P extends SSEParams> = P extends { action: 'instrument_price' }
  ? InstrumentPrice
  : P extends { action: 'contract_price' }
    ? ContractPriceResponse
    : P extends { topic: string | readonly string[] }
      ? Envelope
      : unknown

/** The state of a connection: `connecting → open → (waiting → connecting)* → closed`; and `paused` while the page does not need it. */
export type ConnectionState =
  | { readonly status: 'connecting' }
  /** `isSilent`: the heartbeat is overdue, so prices may be old. */
  | { readonly status: 'open'; readonly isSilent: boolean }
  /** `retryAt`: the time of the next attempt, in milliseconds since 1970. */
  | { readonly status: 'waiting'; readonly retryAt: number; readonly attempt: number; readonly error: SSEError }
  /** The page has been hidden for a while, or is offline. The stream resumes where it stopped once that is over. */
  | { readonly status: 'paused'; readonly reason: PauseReason }
  /** Without an error: this side has closed it. */
  | { readonly status: 'closed'; readonly error?: SSEError }

/** What the server's response headers say about the stream. */
export interface StreamStart {
  /** `resumed`: events continue where they stopped; `snapshot`: they start with the current values; `reset`: so they do, because missed events are lost. */
  readonly start: 'resumed' | 'snapshot' | 'reset' | undefined
  /** The stream's id at the server. */
  readonly streamId: string | undefined
}

/** The named events by which the server speaks about the stream itself. */
export type ControlEvent = 'changed' | 'stale' | 'reset'

/** The server to connect to, and how to keep the connection. */
export interface ServerOptions extends PageWatchOptions {
  /** The server's URL, such as `https://prices.example`. Default: the server of the page. */
  readonly baseUrl?: string | undefined
  /**
   * Sent as `Authorization: Bearer`. With a token, the protected path is used. A function is called for a new token before the last one expires,
   * and the open stream continues with it.
   */
  readonly token?: Token | undefined
  /**
   * How many attempts in a row to reopen a lost stream; `Infinity` never gives up, and is the default of connections that are shared: of stores
   * and hooks. Default 3.
   */
  readonly reconnectAttempts?: number | undefined
  /** The longest wait before the first attempt, in milliseconds; it doubles with each further attempt. Default 1000. */
  readonly reconnectInterval?: number | undefined
  /** The longest wait between two attempts, in milliseconds. Default 30,000. */
  readonly reconnectCeiling?: number | undefined
  /** The function to fetch with. Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
}

/** The options of {@link createSSEConnection}. */
export interface SSEConnectionOptions<P extends SSEParams = SSEParams>
  extends ServerOptions,
    Pick<CustomEventSourceInit, 'headers' | 'lastEventId' | 'maxEventSize' | 'withCredentials'> {
  readonly params: P
  /** Called with each message and its event. */
  readonly onMessage: (message: MessageOf<P>, event: MessageEvent<string>) => void
  /** Called with each error; {@link SSEConnectionOptions.onState} tells whether it has ended the connection. */
  readonly onError?: ((error: SSEError) => void) | undefined
  readonly onOpen?: ((start: StreamStart) => void) | undefined
  readonly onState?: ((state: ConnectionState) => void) | undefined
  /** Called with each event about the stream itself, and the id that it can be resumed after. */
  readonly onControl?: ((event: ControlEvent, data: unknown, id: string) => void) | undefined
}

/**
 * Opens a stream and keeps it open.
 *
 * @returns the function that closes it. After that, no callback is called any more.
 *
 * @example
 * ```ts
 * const close = createSSEConnection({
 *   params: { topic: ['ticks:R_100'] },
 *   onMessage: ({ data }) => console.log(data),
 * })
 * ```
 */
export function createSSEConnection<const P extends SSEParams>(options: SSEConnectionOptions<P>): () => void {
  return connect(() => options.params, options as SSEConnectionOptions).close
}

/** A stream that is kept open. */
export interface Connection {
  /** Closes it. After that, no callback is called any more. */
  close(): void
  /** Tries to reconnect now rather than later, where it waits for that. */
  wake(): void
}

/**
 * Opens a stream whose parameters may change between connections.
 *
 * @param params - called at every connection.
 * @param isWatching - whether the stream pauses while the page does not need it.
 */
export function connect(params: () => SSEParams, options: SSEConnectionOptions, isWatching = true): Connection {
  const { onMessage, onError, onOpen, onState, onControl, token, fetch } = options
  const base = baseOf(options)
  const credentials = toCredentials(token)
  const url = () => `${base}${credentials ? '/protected' : ''}/sse?${encode(withPace(params()))}`

  let isClosed = false
  let cursor = options.lastEventId
  let source: CustomEventSource | undefined
  let endRenewal: (() => void) | undefined
  // A callback may close the connection; then no later callback may be called.
  const tell = <A extends unknown[]>(callback: ((...args: A) => void) | undefined, ...args: A) => {
    if (!isClosed) call(callback, ...args)
  }
  /** Parses the data of an event. If it is not JSON, that is an error, but the stream continues. */
  const parse = (event: MessageEvent<string>, take: (message: unknown) => void) => {
    let message: unknown
    try {
      message = JSON.parse(event.data)
    } catch (error) {
      tell(onError, new SSEError({ message: `a message is not JSON (${error})`, code: 'INVALID_MESSAGE' }))
      return
    }
    take(message)
  }
  const open = () => {
    const made = new CustomEventSource(url(), {
      ...options, // headers, withCredentials and maxEventSize
      token: credentials,
      lastEventId: cursor,
      fetch: (_, init) => (fetch ?? globalThis.fetch)(url(), init),
      retryStatuses: true,
      idleTimeout: IDLE_TIMEOUT,
      reconnect: {
        attempts: options.reconnectAttempts,
        interval: options.reconnectInterval,
        ceiling: options.reconnectCeiling,
      },
    })
    source = made
    made.addEventListener('message', (event) => parse(event, (message) => tell(onMessage, message, event)))
    for (const name of ['changed', 'stale', 'reset'] as const) {
      made.addEventListener(name, (event: MessageEvent) =>
        parse(event, (data) => tell(onControl, name, data, event.lastEventId)),
      )
    }
    made.addEventListener('connecting', () => tell(onState, { status: 'connecting' }))
    made.addEventListener('open', () => {
      const start = made.responseHeaders?.get('Pricewire-Start') as StreamStart['start'] | null
      const streamId = made.responseHeaders?.get('Pricewire-Stream') ?? undefined
      if (streamId && credentials?.provider) {
        endRenewal = renew(streamId, { base, credentials, fetch })
      }
      tell(onState, { status: 'open', isSilent: false })
      tell(onOpen, { start: start ?? undefined, streamId })
    })
    made.addEventListener('silence', () => {
      if (made.readyState === made.OPEN) tell(onState, { status: 'open', isSilent: made.isSilent })
    })
    made.addEventListener('error', (event: Event) => {
      if (!(event instanceof SourceErrorEvent)) {
        // An event of the server with the name `error`: why it is about to end the stream.
        parse(event as MessageEvent<string>, (body) => {
          const error = (body as Partial<ErrorBody> | null)?.error
          if (error) tell(onError, new SSEError(error))
        })
        return
      }
      endRenewal?.()
      const error = new SSEError(event)
      const { retryAt } = event
      if (retryAt === undefined) {
        watch?.end()
        tell(onState, { status: 'closed', error })
      } else tell(onState, { status: 'waiting', retryAt, attempt: made.attempt, error })
      tell(onError, error)
    })
    tell(onState, { status: 'connecting' })
  }
  const stop = () => {
    cursor = source?.lastEventId ?? cursor
    source?.close()
    endRenewal?.()
  }
  /** Pauses for a reason; without one, opens the stream. */
  const settle = (reason: PauseReason | undefined) => {
    if (!reason) {
      open()
      return
    }
    stop()
    tell(onState, { status: 'paused', reason })
  }
  const wake = () => source?.wake()
  const watch = isWatching ? watchPage(options, settle, wake) : undefined
  settle(watch?.reason)
  const close = () => {
    isClosed = true
    watch?.end()
    stop()
  }
  return { close, wake }
}

/** Returns the URL that paths are appended to. (`new URL('/sse', base)` would drop the path of the base.) */
export function baseOf({ baseUrl = '' }: ServerOptions): string {
  return baseUrl.replace(/\/+$/, '')
}

/** Returns the time between two updates of a topic that suits the network, in milliseconds. */
export function pageInterval(): number {
  return networkInterval((globalThis.navigator as { connection?: NetworkInformation } | undefined)?.connection)
}

function withPace(params: SSEParams): SSEParams {
  return { ...params, interval_ms: Math.max(Number(params['interval_ms'] ?? 0), pageInterval()) || undefined }
}

function encode(params: SSEParams): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params))
    for (const item of [value ?? []].flat()) query.append(name, `${item}`)
  return `${query}`
}
