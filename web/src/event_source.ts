import { EventStreamDecoder } from './decoder.js'
import { type Problem, problemOf } from './problem.js'
import { isTransient, parseRetryAfter, Reconnection, type ReconnectPolicy } from './reconnect.js'
import { streamEndOf } from './stream_end.js'
import { type Credentials, type Token, toCredentials } from './tokens.js'
import { makeWatchdog } from './watchdog.js'

/** The options of {@link CustomEventSource}. */
export interface CustomEventSourceInit {
  /** Whether to send cookies to other origins too. */
  readonly withCredentials?: boolean | undefined
  /** Request headers, or a function that returns them and is called at every connection. */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined
  /**
   * Sent as `Authorization: Bearer`. A function is called for a new token before the last one expires, once more after a 401, and after a stream
   * has ended with `TOKEN_EXPIRED`.
   */
  readonly token?: Token | undefined
  /** The request's method. Default `GET`. */
  readonly method?: string | undefined
  /** The request's body, for methods that have one. Not a `ReadableStream`, because it is sent again at every connection. */
  readonly body?: Exclude<BodyInit, ReadableStream> | undefined
  /** The id to resume after: `lastEventId` of an earlier source. */
  readonly lastEventId?: string | undefined
  /** The function to fetch with. Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
  /** When and how often to reopen a lost stream. */
  readonly reconnect?: ReconnectPolicy | undefined
  /** Whether to reconnect after the statuses 408, 429 and 5xx. By default, as in the standard, every status but 200 ends the source. */
  readonly retryStatuses?: boolean | undefined
  /**
   * The silence after which the stream counts as lost, in milliseconds, if the server announces no heartbeat; also the longest wait for the
   * response. By default, as in the standard, there is no limit.
   */
  readonly idleTimeout?: number | undefined
  /**
   * The largest size of an event, in bytes of UTF-8: its data, type and id. A larger event ends the source with the code `EVENT_TOO_LARGE`.
   * Default 16 MiB.
   */
  readonly maxEventSize?: number | undefined
}

/** The `error` event: the stream was lost. `readyState` says whether the source reconnects (CONNECTING) or has given up (CLOSED). */
export class SourceErrorEvent extends Event implements Problem {
  declare readonly message: string
  declare readonly status: number | undefined
  declare readonly code: string | undefined
  /** The time of the next attempt, in milliseconds since 1970; undefined if there is none. */
  declare readonly retryAt: number | undefined

  constructor(problem: Problem, retryAt?: number) {
    super('error')
    Object.assign(this, problem, { retryAt })
  }
}

type Type = keyof EventSourceEventMap
type Handlers = { [T in Type]: EventSource[`on${T}`] }

/**
 * An `EventSource` that uses `fetch`: the same interface, plus request headers, a reconnection policy, and errors that say what happened.
 *
 * Besides the standard's events it dispatches `connecting` when it reconnects, and `silence` when {@link CustomEventSource.isSilent} changes.
 *
 * Source: WHATWG HTML, section 9.2.
 */
export class CustomEventSource extends EventTarget implements EventSource {
  static readonly CONNECTING = 0
  static readonly OPEN = 1
  static readonly CLOSED = 2
  // On the prototype too, as in browsers.
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

  // Inherited from EventTarget; only the types differ, so that listeners get typed events.
  declare addEventListener: EventSource['addEventListener']
  declare removeEventListener: EventSource['removeEventListener']

  readonly #init: CustomEventSourceInit
  readonly #reconnection: Reconnection
  readonly #credentials: Credentials | undefined
  readonly #watchdog = makeWatchdog(
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
  /** Whether the server has refused a token since the last stream was open. */
  #isRefused = false
  #isExpired = false

  /**
   * Connects at once.
   *
   * @param url - absolute, or relative to the page.
   * @throws DOMException with the name SyntaxError, if the URL is not valid.
   */
  constructor(url: string | URL, init: CustomEventSourceInit = {}) {
    super()
    try {
      this.url = new URL(url, globalThis.document?.baseURI).href
    } catch {
      throw new DOMException(`this URL cannot be read: ${url}`, 'SyntaxError')
    }
    this.withCredentials = init.withCredentials ?? false
    this.#init = init
    this.#lastEventId = init.lastEventId ?? ''
    this.#reconnection = new Reconnection(init.reconnect)
    this.#credentials = toCredentials(init.token)
    void this.#connect()
  }

  /** CONNECTING (also while it waits to reconnect), OPEN or CLOSED. */
  get readyState(): number {
    return this.#readyState
  }

  /** The id of the newest event, dispatched or with an id only. A later source can resume after it. */
  get lastEventId(): string {
    return this.#lastEventId
  }

  /** The number of attempts to reconnect since the last event. */
  get attempt(): number {
    return this.#reconnection.attempt
  }

  /** The headers of the last response that opened the stream. */
  get responseHeaders(): Headers | undefined {
    return this.#responseHeaders
  }

  /** Whether the server's heartbeat is overdue: the last data may be old. */
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

  /** Ends a wait to reconnect as early as the floor of the policy and the server allow: the user is back, or the network. */
  wake(): void {
    const isWaiting = this.#connection.signal.aborted && !this.#readyState // CONNECTING, between two connections
    if (isWaiting) this.#connectAt(this.#reconnection.earliest)
  }

  /** Ends the request, the timers and the events at once. Events that were received but not dispatched yet are dropped. */
  close(): void {
    this.#readyState = this.CLOSED
    this.#disconnect()
  }

  #handle<T extends Type>(type: T, handler: Handlers[T]): void {
    // One listener stays and calls the current handler, so that a new handler replaces the old one.
    if (this.#handlers[type] === null) {
      super.removeEventListener(type, this.#callHandler)
      super.addEventListener(type, this.#callHandler)
    }
    // As in Web IDL's event handlers: a value that is not an object counts as null, and an object that is not a function is never called.
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
    const { fetch = globalThis.fetch, idleTimeout = 0, method, body } = this.#init
    this.#watchdog.watch(idleTimeout)
    let what = 'the request cannot be made'
    try {
      const headers = await this.#requestHeaders()
      if (signal.aborted) return
      const credentials = this.withCredentials ? 'include' : 'same-origin'
      const request = { method, body, headers, credentials, cache: 'no-store', signal } as RequestInit
      const obstacle = obstacleTo(this.url, request)
      if (obstacle) return this.#fail({ message: obstacle })
      // A browser does not tell a page which of the two it was. Where there was a stream before, it was not the permission.
      const own = globalThis.location?.origin
      const isForeign = own && !this.url.startsWith(`${own}/`) && !this.#responseHeaders
      what = `the server cannot be reached${isForeign ? ` or refuses ${own} (CORS)` : ''}`
      const response = await fetch(this.url, request)
      if (signal.aborted) return
      if (response.status !== 200) return await this.#refused(response, signal)
      const type = response.headers.get('Content-Type') ?? 'no type'
      if (!/^text\/event-stream *(;|$)/i.test(type)) {
        return this.#fail({ message: `the server sent ${type} instead of text/event-stream`, status: 200 })
      }
      if (!response.body) return this.#fail({ message: 'the response cannot be streamed; see pricewire/react-native' })
      what = 'the connection broke off'
      this.#responseHeaders = response.headers
      this.#readyState = this.OPEN
      this.#isRefused = false
      this.#watchdog.watch(Number(response.headers.get('Pricewire-Heartbeat')) * 2000 || idleTimeout)
      this.dispatchEvent(new Event('open'))
      await this.#read(response.body.getReader(), new URL(response.url || this.url).origin, signal)
      if (!signal.aborted) this.#lost({ message: 'the server ended the stream' })
    } catch (error) {
      if (signal.aborted) return // by close(), or because the watchdog has given up this connection
      this.#lost({ message: `${what} (${error})` })
    }
  }

  async #requestHeaders(): Promise<Headers> {
    const { headers } = this.#init
    const result = new Headers(typeof headers === 'function' ? await headers() : headers)
    if (!result.get('Accept')) result.set('Accept', 'text/event-stream')
    if (this.#credentials) {
      this.#token = await (this.#isExpired ? this.#credentials.refresh(this.#token) : this.#credentials.get())
      this.#isExpired = false
      result.set('Authorization', `Bearer ${this.#token}`)
    }
    if (this.#lastEventId) {
      // The id is sent as UTF-8. `fetch` wants a string with one character per byte, and refuses any character above 255.
      result.set('Last-Event-ID', unescape(encodeURIComponent(this.#lastEventId)))
    }
    return result
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, origin: string, signal: AbortSignal): Promise<void> {
    const decoder = new EventStreamDecoder(this.#lastEventId, this.#init.maxEventSize)
    for (;;) {
      const { value } = await reader.read()
      if (!value || signal.aborted) return
      this.#watchdog.heard()
      const events = decoder.feed(value)
      this.#reconnection.retry = decoder.retry ?? this.#reconnection.retry
      for (const { type, ...init } of events) {
        if (signal.aborted) return // a listener has closed the source at an earlier event of this chunk
        this.#lastEventId = init.lastEventId
        // An error event says why the server is about to close, so it does not show that the stream is healthy.
        if (type !== 'error') this.#reconnection.received()
        else if (streamEndOf(init.data).error?.code === 'TOKEN_EXPIRED') this.#isExpired = !!this.#credentials?.provider
        this.dispatchEvent(new MessageEvent(type, { ...init, origin }))
      }
      if (signal.aborted) return
      this.#lastEventId = decoder.lastEventId
      // No reconnection: the server would send the same event again.
      if (decoder.problem) return this.#fail(decoder.problem)
    }
  }

  async #refused(response: Response, signal: AbortSignal): Promise<void> {
    const { status } = response
    const now = Date.now() // the wait counts from here; the body may be slow
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
    // With a new token only the shortest wait is needed.
    const retryAt = this.#reconnection.lost(now, this.#isExpired ? 0 : Math.random(), retryAfter)
    if (retryAt === undefined) {
      this.#fail(problem)
      return
    }
    this.#disconnect()
    this.#readyState = this.CONNECTING
    this.#connectAt(retryAt)
    this.dispatchEvent(new SourceErrorEvent(problem, retryAt))
  }

  #connectAt(time: number): void {
    clearTimeout(this.#connectTimer)
    this.#connectTimer = setTimeout(() => {
      void this.#connect()
      this.dispatchEvent(new Event('connecting'))
    }, time - Date.now())
  }

  #fail(problem: Problem): void {
    this.close()
    this.dispatchEvent(new SourceErrorEvent(problem))
  }

  #disconnect(): void {
    this.#connection.abort()
    this.#watchdog.stop()
    clearTimeout(this.#connectTimer)
  }
}

/**
 * Returns why a request can never succeed, so that trying again is pointless; undefined if it may succeed.
 *
 * Source: WHATWG HTML, section 9.2.2, "The EventSource interface": a connection that is known to be futile fails at once.
 */
function obstacleTo(url: string, request: RequestInit): string | undefined {
  // The page's own protocol may be one that its application serves, such as `app:` or `capacitor:`.
  const { protocol } = new URL(url)
  const isForeign = !/^(https?|data|blob):$/.test(protocol) && protocol !== globalThis.location?.protocol
  if (isForeign || /^\w+:\/\/[^/?#]*@/.test(url)) return 'this URL cannot be fetched'
  try {
    new Request(url, request)
    return undefined
  } catch (error) {
    return `the request cannot be made (${error})`
  }
}
