import { EventStreamDecoder } from './decoder.js'
import type { ErrorBody } from './messages.js'
import { DEFAULT_RECONNECT, isTransient, parseRetryAfter, Reconnection, type ReconnectPolicy } from './reconnect.js'

/** What {@link CustomEventSource} can be told beyond the URL. */
export interface CustomEventSourceInit extends EventSourceInit {
  /** Request headers, `Authorization` for instance; or a function that is asked for them at every connection. */
  readonly headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | undefined
  /** The id to resume after, from an earlier source's `lastEventId`. */
  readonly lastEventId?: string | undefined
  /** What to fetch with; by default the global `fetch`. */
  readonly fetch?: typeof fetch | undefined
  /** Where the policy differs from {@link DEFAULT_RECONNECT}. */
  readonly reconnect?: Partial<ReconnectPolicy> | undefined
  /** Whether to come back after 408, 429 and 5xx. By the standard, and by default, every status but 200 ends the source. */
  readonly retryStatuses?: boolean | undefined
  /**
   * The silence after which the stream counts as lost, in milliseconds, where the server announces no heartbeat; also how long the response may
   * take to begin. By default any, as by the standard.
   */
  readonly idleTimeout?: number | undefined
}

/** What is known of a failure. */
export interface Problem {
  /** What happened, for people. */
  readonly message: string
  /** The response's status, where there was a response. */
  readonly status?: number | undefined
  /** For programs: the code of the server's error body, `NOT_FOUND` for instance. */
  readonly code?: string | undefined
}

/** The `error` event: the stream was lost. `readyState` says whether it is being opened again (CONNECTING) or not (CLOSED). */
export class SourceErrorEvent extends Event implements Problem {
  readonly message: string
  readonly status: number | undefined
  readonly code: string | undefined
  /** When the next attempt is made, in milliseconds since 1970; absent where none is. */
  readonly retryAt: number | undefined

  constructor(problem: Problem, retryAt: number | undefined) {
    super('error')
    this.message = problem.message
    this.status = problem.status
    this.code = problem.code
    this.retryAt = retryAt
  }
}

type Type = keyof EventSourceEventMap
type Handlers = { [T in Type]: EventSource[`on${T}`] }
type AddOptions = boolean | AddEventListenerOptions
type Options = boolean | EventListenerOptions
type Timer = ReturnType<typeof setTimeout>
type Listener<E extends Event> = (this: EventSource, event: E) => void
type AnyListener = Listener<Event> | Listener<MessageEvent> | EventListenerOrEventListenerObject

/** How long the body of an error response may take, in milliseconds. */
const ERROR_BODY_TIMEOUT = 1000

/** How much of the bearable silence makes what was received doubtful. Of two heartbeats: one, and half of one for the way. */
const STALE_SHARE = 0.75

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
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSED = 2

  readonly url: string
  readonly withCredentials: boolean

  readonly #init: CustomEventSourceInit
  readonly #reconnection: Reconnection
  readonly #handlers: Handlers = { open: null, message: null, error: null }
  #readyState = 0
  #lastEventId: string
  #responseHeaders: Headers | undefined
  #isSilent = false
  #lastByteAt = 0
  #connection = new AbortController()
  #connectTimer: Timer | undefined
  #silenceTimer: Timer | undefined

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
    this.#reconnection = new Reconnection({ ...DEFAULT_RECONNECT, ...init.reconnect })
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
    return this.#isSilent
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

  override addEventListener<T extends Type>(
    type: T,
    listener: Listener<EventSourceEventMap[T]>,
    options?: AddOptions,
  ): void
  override addEventListener(type: string, listener: Listener<MessageEvent>, options?: AddOptions): void
  override addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: AddOptions): void
  override addEventListener(type: string, listener: AnyListener, options?: AddOptions): void {
    super.addEventListener(type, listener as EventListener, options)
  }

  override removeEventListener<T extends Type>(
    type: T,
    listener: Listener<EventSourceEventMap[T]>,
    options?: Options,
  ): void
  override removeEventListener(type: string, listener: Listener<MessageEvent>, options?: Options): void
  override removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: Options): void
  override removeEventListener(type: string, listener: AnyListener, options?: Options): void {
    super.removeEventListener(type, listener as EventListener, options)
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
    this.#handlers[type] = handler
  }

  readonly #callHandler = (event: Event): void => {
    this.#handlers[event.type as Type]?.call(this, event as MessageEvent)
  }

  async #connect(): Promise<void> {
    this.#connection = new AbortController()
    const { signal } = this.#connection
    // Called as a method, the global fetch throws "Illegal invocation".
    const { fetch = globalThis.fetch, idleTimeout = 0 } = this.#init
    this.#watchSilence(idleTimeout, signal)
    try {
      const headers = await this.#requestHeaders()
      if (signal.aborted) return
      const credentials = this.withCredentials ? 'include' : 'same-origin'
      const response = await fetch(this.url, { headers, credentials, cache: 'no-store', signal })
      if (signal.aborted) return
      if (response.status !== 200) return await this.#refused(response, signal)
      const type = response.headers.get('Content-Type')
      if (!/^text\/event-stream *(;|$)/i.test(type ?? '')) {
        return this.#fail({
          message: `the server sent ${type ?? 'no content type'} instead of text/event-stream`,
          status: 200,
        })
      }
      this.#responseHeaders = response.headers
      this.#readyState = CustomEventSource.OPEN
      const heartbeat = Number(response.headers.get('Pricewire-Heartbeat')) * 1000
      this.#watchSilence(2 * heartbeat || idleTimeout, signal)
      this.dispatchEvent(new Event('open'))
      await this.#read(response, signal)
      this.#lost({ message: 'the server ended the stream' }, signal)
    } catch (error) {
      const what =
        this.#readyState === CustomEventSource.OPEN ? 'the connection broke off' : 'the server cannot be reached'
      this.#lost({ message: `${what} (${error instanceof Error ? error.message : error})` }, signal)
    }
  }

  async #requestHeaders(): Promise<Headers> {
    const { headers } = this.#init
    const result = new Headers(typeof headers === 'function' ? await headers() : headers)
    if (!result.has('Accept')) result.set('Accept', 'text/event-stream')
    if (this.#lastEventId !== '') {
      // The id goes out as UTF-8, but fetch takes one character for one byte and refuses those beyond.
      result.set('Last-Event-ID', String.fromCharCode(...new TextEncoder().encode(this.#lastEventId)))
    }
    return result
  }

  async #read(response: Response, signal: AbortSignal): Promise<void> {
    const decoder = new EventStreamDecoder(this.#lastEventId)
    const origin = new URL(response.url || this.url).origin
    const reader = response.body?.getReader()
    for (let part = await reader?.read(); part?.value !== undefined && !signal.aborted; part = await reader?.read()) {
      this.#lastByteAt = Date.now()
      this.#setSilent(false)
      const events = decoder.feed(part.value)
      this.#reconnection.retry = decoder.retry ?? this.#reconnection.retry
      for (const { type, data, lastEventId } of events) {
        if (signal.aborted) return // a listener of an earlier event of this chunk has closed the source
        this.#lastEventId = lastEventId
        // An error event tells why the server is about to close: no sign of health.
        if (type !== 'error') this.#reconnection.received()
        this.dispatchEvent(new MessageEvent(type, { data, lastEventId, origin }))
      }
      this.#lastEventId = decoder.lastEventId
    }
  }

  async #refused(response: Response, signal: AbortSignal): Promise<void> {
    const { status } = response
    const now = Date.now() // before the body, which may be slow: the wait counts from here
    const body = await new Promise<Partial<ErrorBody> | undefined>((resolve) => {
      // A body that never ends must not keep the source from going on.
      const timer = setTimeout(resolve, ERROR_BODY_TIMEOUT)
      const read = response.json().catch(() => undefined)
      void read.then(resolve).finally(() => clearTimeout(timer))
    })
    if (signal.aborted) return
    const { code, message = `the server answered ${status} ${response.statusText}`.trim() }: Partial<Problem> =
      body?.error ?? {}
    if (!this.#init.retryStatuses || !isTransient(status)) return this.#fail({ message, status, code })
    this.#lost({ message, status, code }, signal, parseRetryAfter(response.headers.get('Retry-After'), now), now)
  }

  #lost(problem: Problem, signal: AbortSignal, retryAfter = 0, now = Date.now()): void {
    if (signal.aborted) return // by close(), or because this connection was given up before
    const retryAt = this.#reconnection.lost(now, Math.random(), retryAfter)
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
    clearTimeout(this.#silenceTimer)
    this.#isSilent = false
  }

  /** Watches over the silence from now on; 0 bears any. */
  #watchSilence(bearable: number, signal: AbortSignal): void {
    clearTimeout(this.#silenceTimer)
    this.#lastByteAt = Date.now()
    // setTimeout takes more than it can count for none at all.
    if (bearable > 0) this.#checkSilence(Math.min(bearable, 2 ** 31 - 1), signal)
  }

  /** One timer that looks at the time of the last byte now and then; to set one anew for every chunk would cost more than the chunk. */
  #checkSilence(bearable: number, signal: AbortSignal): void {
    const next = this.#lastByteAt + bearable * (this.#isSilent ? 1 : STALE_SHARE)
    this.#silenceTimer = setTimeout(() => {
      const silence = Date.now() - this.#lastByteAt
      if (silence >= bearable) {
        this.#lost({ message: `the server has been silent for ${Math.round(silence / 1000)} s` }, signal)
        return
      }
      if (silence >= bearable * STALE_SHARE) this.#setSilent(true)
      if (!signal.aborted) this.#checkSilence(bearable, signal)
    }, next - Date.now())
  }

  #setSilent(isSilent: boolean): void {
    if (isSilent === this.#isSilent) return
    this.#isSilent = isSilent
    this.dispatchEvent(new Event('silence'))
  }
}
