import { CustomEventSource, type CustomEventSourceInit, type Problem, SourceErrorEvent } from './event_source.js'
import type { Envelope, ErrorBody, InstrumentPrice } from './messages.js'
import { DEFAULT_RECONNECT } from './reconnect.js'
import { call } from './report.js'

/** The silence that is borne from a server that announces no heartbeat, in milliseconds. */
const IDLE_TIMEOUT = 60_000

/** The query of a stream: `{ topic: ['ticks:R_100'] }` or `{ action: 'instrument_price', instrument_id: 'R_100' }`. */
export type SSEParams = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** What a stream with these parameters sends. */
export type MessageOf<P extends SSEParams> = P extends { action: 'instrument_price' }
  ? InstrumentPrice
  : P extends { topic: string | readonly string[] }
    ? Envelope
    : unknown

/** What went wrong with a stream, or with one message of it. */
export class SSEError extends Error implements Problem {
  override readonly name = 'SSEError'
  readonly status: number | undefined
  /** The server's code, or `INVALID_MESSAGE` for a message that is not JSON. */
  readonly code: string | undefined

  constructor(problem: Problem) {
    super(problem.message)
    this.status = problem.status
    this.code = problem.code
  }
}

/** Where a connection is: `connecting → open → (waiting → connecting)* → closed`. */
export type ConnectionState =
  | { readonly status: 'connecting' }
  /** `isSilent`: the announced heartbeat is overdue, so prices may be old. */
  | { readonly status: 'open'; readonly isSilent: boolean }
  /** `retryAt`: milliseconds since 1970. */
  | { readonly status: 'waiting'; readonly retryAt: number; readonly attempt: number; readonly error: SSEError }
  /** Without an error it was closed on this side. */
  | { readonly status: 'closed'; readonly error?: SSEError }

/** What the server said of the stream before its first event. */
export interface StreamStart {
  /** Whether events go on where they stopped, begin with the current values, or had to begin anew. */
  readonly start: 'resumed' | 'snapshot' | 'reset' | undefined
  /** The stream's id at the server. */
  readonly streamId: string | undefined
}

/** The named events by which the server speaks of the stream itself. */
export type ControlEvent = 'changed' | 'stale' | 'reset'

/** Where a connection goes, and how it is kept. */
export interface ServerOptions {
  /** The server, `https://prices.example` for instance; by default the page's own. */
  readonly baseUrl?: string | undefined
  /** Sent as `Authorization: Bearer`; with a token the protected stream is asked for. */
  readonly token?: string | undefined
  /** Attempts in a row to get a lost stream back; `Infinity` never gives up. Default 3. */
  readonly reconnectAttempts?: number | undefined
  /** The wait before the first attempt, in milliseconds, growing with each further one. Default 1000. */
  readonly reconnectInterval?: number | undefined
  /** What that wait grows to, in milliseconds. Default 30,000. */
  readonly reconnectCeiling?: number | undefined
}

/** What {@link createSSEConnection} is told. */
export interface SSEConnectionOptions<P extends SSEParams = SSEParams>
  extends ServerOptions,
    Pick<CustomEventSourceInit, 'headers' | 'lastEventId' | 'fetch' | 'withCredentials'> {
  readonly params: P
  /** Is given each message, and the event that brought it. */
  readonly onMessage: (message: MessageOf<P>, event: MessageEvent<string>) => void
  /** Is told what went wrong; {@link SSEConnectionOptions.onState} tells whether that ended the connection. */
  readonly onError?: ((error: SSEError) => void) | undefined
  readonly onOpen?: ((start: StreamStart) => void) | undefined
  readonly onState?: ((state: ConnectionState) => void) | undefined
  readonly onControl?: ((event: ControlEvent, data: unknown) => void) | undefined
}

/**
 * Opens a stream and keeps it open.
 *
 * @returns the function that closes it: after that nothing is called any more.
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
  const { params, onMessage, onError, onOpen, onState, onControl, token, headers, baseUrl = '' } = options
  const source = new CustomEventSource(streamUrl(baseUrl, token !== undefined, params), {
    headers: token === undefined ? headers : () => withToken(headers, token),
    lastEventId: options.lastEventId,
    fetch: options.fetch,
    withCredentials: options.withCredentials ?? false,
    retryStatuses: true,
    idleTimeout: IDLE_TIMEOUT,
    reconnect: {
      attempts: options.reconnectAttempts ?? DEFAULT_RECONNECT.attempts,
      interval: options.reconnectInterval ?? DEFAULT_RECONNECT.interval,
      ceiling: options.reconnectCeiling ?? DEFAULT_RECONNECT.ceiling,
    },
  })

  let isClosed = false
  // A callback may close the connection in the middle of what follows it.
  const tell = <A extends unknown[]>(callback: ((...args: A) => void) | undefined, ...args: A) => {
    if (!isClosed) call(callback, ...args)
  }
  /** Hands over the JSON of an event, or tells that it is none; the stream goes on either way. */
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

  source.addEventListener('message', (event) => {
    parse(event, (message) => tell(onMessage, message as MessageOf<P>, event))
  })
  for (const name of ['changed', 'stale', 'reset'] as const) {
    source.addEventListener(name, (event: MessageEvent) => parse(event, (data) => tell(onControl, name, data)))
  }
  source.addEventListener('connecting', () => tell(onState, { status: 'connecting' }))
  source.addEventListener('open', () => {
    const headers = source.responseHeaders
    tell(onState, { status: 'open', isSilent: false })
    tell(onOpen, {
      start: (headers?.get('Pricewire-Start') ?? undefined) as StreamStart['start'],
      streamId: headers?.get('Pricewire-Stream') ?? undefined,
    })
  })
  source.addEventListener('silence', () => {
    if (source.readyState === source.OPEN) tell(onState, { status: 'open', isSilent: source.isSilent })
  })
  source.addEventListener('error', (event: Event) => {
    if (!(event instanceof SourceErrorEvent)) {
      // An event of the server's that is named error: why it is about to end the stream.
      parse(event as MessageEvent<string>, (body) => {
        const { error } = body as Partial<ErrorBody>
        if (error) tell(onError, new SSEError(error))
      })
      return
    }
    const error = new SSEError(event)
    const { retryAt } = event
    const isOver = retryAt === undefined
    tell(onState, isOver ? { status: 'closed', error } : { status: 'waiting', retryAt, attempt: source.attempt, error })
    tell(onError, error)
  })
  tell(onState, { status: 'connecting' })
  return () => {
    isClosed = true
    source.close()
  }
}

function streamUrl(baseUrl: string, isProtected: boolean, params: SSEParams): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) query.append(name, String(item))
    }
  }
  // Joined as text: new URL('/sse', base) would drop the path of the base.
  return `${baseUrl.replace(/\/+$/, '')}${isProtected ? '/protected/sse' : '/sse'}?${query}`
}

async function withToken(headers: CustomEventSourceInit['headers'], token: string): Promise<Headers> {
  const result = new Headers(typeof headers === 'function' ? await headers() : headers)
  result.set('Authorization', `Bearer ${token}`)
  return result
}
