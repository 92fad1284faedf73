import { EventStreamDecoder } from './decoder.js'
import { type Problem, problemOf } from './problem.js'
import { isTransient, parseRetryAfter, Reconnection, type ReconnectPolicy } from './reconnect.js'
import { streamEndOf } from './stream_end.js'
import { type Credentials, type Token, toCredentials } from './tokens.js'
import { Watchdog } from './watchdog.js'

/** What {@link CustomEventSource} can be told beyond the URL. */
export interface CustomEventSourceInit {
  /** Whether cookies go to other origins too. */
  readonly withCredentials?: boolean | undefined
  /** Request headers, `Authorization` for instance; or a function that is asked for them at every connection. */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined
  /**
   * Sent as `Authorization: Bearer`. A function is asked for a fresh token before the last one expires; where the server refuses one with 401, once
   * more; and when a stream has ended with `TOKEN_EXPIRED`.
   */
  readonly token?: Token | undefined
  /** The request's method; by default GET. */
  readonly method?: string | undefined
  /** The request's body, for methods that have one; sent at every connection, so no stream. */
  readonly body?: Exclude<BodyInit, ReadableStream> | undefined
  /** The id to resume after, from an earlier source's `lastEventId`. */
  readonly lastEventId?: string | undefined
  /** What to fetch with; by default the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
  /** When, and how often, a lost stream is opened again. */
  readonly reconnect?: ReconnectPolicy | undefined
  /** Whether to come back after 408, 429 and 5xx. By the standard, and by default, every status but 200 ends the source. */
  readonly retryStatuses?: boolean | undefined
  /**
   * The silence after which the stream counts as lost, in milliseconds, where the server announces no heartbeat; also how long the response may
   * take to begin. By default any, as by the standard.
   */
  readonly idleTimeout?: number | undefined
  /**
   * The most that one event may take, in bytes of UTF-8: its data, its type and its id. A larger one ends the source at once, with the code
   * `EVENT_TOO_LARGE`. Default 16 MiB.
   */
  readonly maxEventSize?: number | undefined
}

/** The `error` event: the stream was lost. `readyState` says whether it is being opened again (CONNECTING) or not (CLOSED). */
export class SourceErrorEvent extends Event implements Problem {
  declare readonly message: string
  declare readonly status: number | undefined
  declare readonly code: string | undefined
  /** When the next attempt is made, in milliseconds since 1970; absent where none is. */
  declare readonly retryAt: number | undefined

  constructor(problem: Problem, retryAt: number | undefined) {
    super('error')
    Object.assign(this, problem, { retryAt })
  }
}

type Type = keyof EventSourceEventMap
type Handlers = { [T in Type]: EventSource[`on${T}`] }

/**
 * The browsers' EventSource on `fetch`: the same interface, plus request headers, a reconnection policy, and errors that say what happened.
 *
 * Besides the standard's events it dispatches `connecting` when it connects again, and `silence` whenever
 * {@link CustomEventSource.isSilent} changes.
 *
 * Source: WHATWG HTML, section 9.2.
 */
export class CustomEventSource extends EventTarget implements EventSource {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  // On the prototype, as the browsers have them.
  get CONNECTING() {
    return 0 as const
  }
  get OPEN() {
    return 1 as const
  }
  get CLOSED() {
    return 2 as const
  }

  readonly url: string
  readonly withCredentials: boolean

  // EventTarget's own, only that listeners are given the types of the events.
  declare addEventListener: EventSource['addEventListener']
  declare removeEventListener: EventSource['removeEventListener']

  readonly #init: CustomEventSourceInit
  readonly #reconnection: Reconnection
  readonly #credentials: Credentials | undefined
  readonly #watchdog = new Watchdog(
    () => this.dispatchEvent(new Event('silence')),
    (silence) => this.#lost({ message: `the server has been silent for ${Math.round(silence / 1000)} s` }),
  )
  readonly #handlers: Handlers = { open: null, message: null, error: null }
  #readyState = 0
  #lastEventId: string
  #responseHeaders: Headers | undefined
  #connection = new AbortController()
  #connectTimer: ReturnType<typeof setTimeout> | undefined
  #token: string | undefined
  /** Whether a token was refused, and no stream has opened since. */
  #isRefused = false
  #isExpired = false

  /**
   * Connects at once.
   *
   * @param url - absolute, or relative to the page.
   * @throws DOMException named SyntaxError, where the URL cannot be read.
   */
  constructor(url: string | URL, init: CustomEventSourceInit = {}) {
    super()
    try {
      this.url = new URL(url, globalThis.document?.baseURI).href
    } catch {
      throw new DOMException(`cannot read the URL ${JSON.stringify(String(url))}`, 'SyntaxError')
    }
    this.withCredentials = init.withCredentials ?? false
    this.#init = init
    this.#lastEventId = init.lastEventId ?? ''
    this.#reconnection = new Reconnection(init.reconnect)
    this.#credentials = toCredentials(init.token)
    void this.#connect()
  }

  /** CONNECTING (also while waiting to connect again), OPEN or CLOSED. */
  get readyState(): number {
    return this.#readyState
  }

  /** The id of the newest event that was dispatched or had only an id: what a later source resumes after. */
  get lastEventId(): string {
    return this.#lastEventId
  }

  /** How many attempts to connect again have been made since the last event. */
  get attempt(): number {
    return this.#reconnection.attempt
  }

  /** The headers of the newest response that opened the stream. */
  get responseHeaders(): Headers | undefined {
    return this.#responseHeaders
  }

  /** Whether the server has sent nothing for longer than it announced, not even a comment: what it sent last may be old. */
  get isSilent(): boolean {
    return this.#watchdog.isSilent
  }

  get onopen(): EventSource['onopen'] {
    return this.#handlers.open
  }
  set onopen(handler) {
    this.#handle('open', handler)
  }
  get onmessage(): EventSource['onmessage'] {
    return this.#handlers.message
  }
  set onmessage(handler) {
    this.#handle('message', handler)
  }
  get onerror(): EventSource['onerror'] {
    return this.#handlers.error
  }
  set onerror(handler) {
    this.#handle('error', handler)
  }

  /** Ends the request, the timers and the events, at once: also what has been received and not yet dispatched is dropped. */
  close(): void {
    this.#readyState = CustomEventSource.CLOSED
    this.#disconnect()
    clearTimeout(this.#connectTimer)
  }

  #handle<T extends Type>(type: T, handler: Handlers[T]): void {
    // One listener stays and calls whatever handler is there by then, so that setting a handler twice does not call both.
    if (this.#handlers[type] === null) {
      super.removeEventListener(type, this.#callHandler)
      super.addEventListener(type, this.#callHandler)
    }
    // As Web IDL has it for event handlers: what is no object counts as null, and an object that is no function is never called.
    this.#handlers[type] = Object(handler) === handler ? handler : null
  }

  readonly #callHandler = (event: Event): void => {
    const handler = this.#handlers[event.type as Type]
    if (typeof handler === 'function') handler.call(this, event as MessageEvent)
  }

  async #connect(): Promise<void> {
    this.#connection = new AbortController()
    const { signal } = this.#connection
    // Called as a method, the global fetch throws "Illegal invocation".
    const { fetch = globalThis.fetch, idleTimeout = 0, method = 'GET', body = null } = this.#init
    this.#watchdog.watch(idleTimeout)
    try {
      const headers = await this.#requestHeaders()
      if (signal.aborted) return
      const credentials = this.withCredentials ? 'include' : 'same-origin'
      const request: RequestInit = { method, body, headers, credentials, cache: 'no-store', signal }
      const obstacle = obstacleTo(this.url, request)
      if (obstacle) return this.#fail({ message: obstacle })
      const response = await fetch(this.url, request)
      if (signal.aborted) return
      if (response.status !== 200) return await this.#refused(response, signal)
      const type = response.headers.get('Content-Type') ?? 'no content type'
      if (!/^text\/event-stream *(;|$)/i.test(type)) {
        return this.#fail({ message: `the server sent ${type} instead of text/event-stream`, status: 200 })
      }
      this.#responseHeaders = response.headers
      this.#readyState = CustomEventSource.OPEN
      this.#isRefused = false
      this.#watchdog.watch(Number(response.headers.get('Pricewire-Heartbeat')) * 2000 || idleTimeout)
      this.dispatchEvent(new Event('open'))
      await this.#read(response, signal)
      if (!signal.aborted) this.#lost({ message: 'the server ended the stream' })
    } catch (error) {
      if (signal.aborted) return // by close(), or because this connection was given up before
      const what =
        this.#readyState === CustomEventSource.OPEN ? 'the connection broke off' : 'the server cannot be reached'
      this.#lost({ message: `${what} (${error})` })
    }
  }

  async #requestHeaders(): Promise<Headers> {
    const { headers } = this.#init
    const result = new Headers(typeof headers === 'function' ? await headers() : headers)
    if (!result.has('Accept')) result.set('Accept', 'text/event-stream')
    if (this.#credentials) {
      this.#token = await (this.#isExpired ? this.#credentials.refresh(this.#token) : this.#credentials.get())
      this.#isExpired = false
      result.set('Authorization', `Bearer ${this.#token}`)
    }
    if (this.#lastEventId !== '') {
      // The id goes out as UTF-8, but fetch takes one character for one byte and refuses those beyond.
      const bytes = new TextEncoder().encode(this.#lastEventId)
      result.set('Last-Event-ID', Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
    }
    return result
  }

  async #read(response: Response, signal: AbortSignal): Promise<void> {
    const decoder = new EventStreamDecoder(this.#lastEventId, this.#init.maxEventSize)
    const origin = new URL(response.url || this.url).origin
    const reader = response.body?.getReader()
    for (;;) {
      const { value } = (await reader?.read()) ?? {}
      if (!value || signal.aborted) return
      this.#watchdog.heard()
      const events = decoder.feed(value)
      this.#reconnection.retry = decoder.retry ?? this.#reconnection.retry
      for (const { type, ...init } of events) {
        if (signal.aborted) return // a listener of an earlier event of this chunk has closed the source
        this.#lastEventId = init.lastEventId
        // An error event tells why the server is about to close: no sign of health.
        if (type !== 'error') this.#reconnection.received()
        else if (streamEndOf(init.data).error?.code === 'TOKEN_EXPIRED') this.#isExpired = !!this.#credentials?.provider
        this.dispatchEvent(new MessageEvent(type, { ...init, origin }))
      }
      if (signal.aborted) return
      this.#lastEventId = decoder.lastEventId
      // The server would send it again.
      if (decoder.problem) return this.#fail(decoder.problem)
    }
  }

  async #refused(response: Response, signal: AbortSignal): Promise<void> {
    const { status } = response
    const now = Date.now() // before the body, which may be slow: the wait counts from here
    if (status === 401 && this.#credentials?.provider && !this.#isRefused) {
      this.#isRefused = true
      this.#isExpired = true
      this.#disconnect()
      return this.#connect()
    }
    const problem = await problemOf(response)
    if (signal.aborted) return
    if (this.#init.retryStatuses && isTransient(status))
      this.#lost(problem, parseRetryAfter(response.headers.get('Retry-After'), now), now)
    else this.#fail(problem)
  }

  #lost(problem: Problem, retryAfter = 0, now = Date.now()): void {
    // With a fresh token there is nothing to wait for but the floor.
    const retryAt = this.#reconnection.lost(now, this.#isExpired ? 0 : Math.random(), retryAfter)
    if (retryAt === undefined) {
      this.#fail(problem)
      return
    }
    this.#disconnect()
    this.#readyState = CustomEventSource.CONNECTING
    this.#connectTimer = setTimeout(() => {
      void this.#connect()
      this.dispatchEvent(new Event('connecting'))
    }, retryAt - Date.now())
    this.dispatchEvent(new SourceErrorEvent(problem, retryAt))
  }

  #fail(problem: Problem): void {
    this.close()
    this.dispatchEvent(new SourceErrorEvent(problem, undefined))
  }

  #disconnect(): void {
    this.#connection.abort()
    this.#watchdog.stop()
  }
}

/**
 * Returns why a request cannot be made at any time, so that it is futile to try again.
 *
 * Source: WHATWG HTML, section 9.2.2, "The EventSource interface": a connection that can be known to be futile is failed.
 */
function obstacleTo(url: string, request: RequestInit): string | undefined {
  const { protocol, username, password } = new URL(url)
  // The page's own may be one that its application serves, as `app:` or `capacitor:`.
  if (!['http:', 'https:', 'data:', 'blob:', globalThis.location?.protocol].includes(protocol))
    return `an event stream cannot come from ${protocol}`
  if (username || password) return 'a URL with a user name or password cannot be fetched'
  try {
    new Request(url, request)
    return undefined
  } catch (error) {
    return `the request cannot be made (${error})`
  }
}
