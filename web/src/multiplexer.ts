import { CLOSED } from './base_store.js'
import { changeStream, type StreamChange } from './changes.js'
import {
  baseOf,
  type ConnectionState,
  type ControlEvent,
  connect,
  pageInterval,
  type ServerOptions,
} from './connection.js'
import type { Envelope, StreamState } from './messages.js'
import { type Problem, problemOf, SSEError } from './problem.js'
import { type Credentials, toCredentials } from './tokens.js'

/** Who is told what comes over a {@link TopicLink}. */
export interface TopicListener {
  /** An event, and the id to resume after. */
  readonly onEnvelope: (envelope: Envelope, id: string) => void
  /** The feed of a topic has fallen silent. */
  readonly onStale: (topic: string) => void
  /** The server does not give a topic; the others go on. */
  readonly onRefused: (topic: string, error: SSEError) => void
  /** A topic is not carried any more: its next value is a new beginning. */
  readonly onDropped: (topic: string) => void
  /** What the stream carries from here on, and can be resumed with. */
  readonly onTopics?: (topics: readonly string[]) => void
  readonly onState: (state: ConnectionState) => void
  readonly onError: (error: SSEError) => void
}

/** What brings topics, however it gets them. */
export interface TopicLink {
  /** Takes the whole list of the topics that are wanted from now on; none: it closes. */
  want(topics: readonly string[]): void
  /** Connects again now, and asks for refused topics again. */
  reconnect(): void
}

/** Where a stream stopped. */
export interface Resumption {
  /** The id of the last event. */
  readonly id: string
  /** The topics that it carried then. */
  readonly topics: readonly string[]
}

/** How a request is refused because of one of its topics, or because of their number. */
const REFUSALS = new Set([400, 403, 404, 409, 414, 431])

/**
 * One stream of any topics, whose list is changed while it is open.
 *
 * The stream confirms a change by an event `changed`, behind the current values of what is new. Until then a reader that loses its connection
 * comes back with the topics that it had, so that nothing is missed, and changes the stream again.
 */
export class TopicConnection implements TopicLink {
  readonly #options: ServerOptions
  readonly #listener: TopicListener
  readonly #credentials: Credentials | undefined
  readonly #refused = new Set<string>()
  readonly #isWatching: boolean
  #wanted: readonly string[] = []
  /** What the server says that the stream carries. */
  #carried = new Set<string>()
  /** What the stream has confirmed: what it is resumed with. */
  #confirmed: readonly string[] = []
  #asked: readonly string[] = []
  #state: ConnectionState = CLOSED
  #close: (() => void) | undefined
  #streamId: string | undefined
  #interval = 0
  /** How many topics may come at once: halved when a request is refused, to find out which of them it is. */
  #batch = Number.POSITIVE_INFINITY
  #canChange = true
  #change: AbortController | undefined

  /**
   * @param isWatching - whether it pauses by itself while the page does not need it.
   * @param resumption - where another connection has stopped.
   */
  constructor(options: ServerOptions, listener: TopicListener, isWatching = true, resumption?: Resumption) {
    this.#options = options
    this.#listener = listener
    const { token } = options
    this.#credentials = toCredentials(token)
    this.#isWatching = isWatching
    if (resumption === undefined) return
    this.#confirmed = resumption.topics
    this.#wanted = resumption.topics
    this.#open(resumption.id)
  }

  want(topics: readonly string[]): void {
    const gone = this.#wanted.filter((topic) => !topics.includes(topic))
    this.#wanted = topics
    this.#drop(gone.filter((topic) => !this.#carried.has(topic) && !this.#asked.includes(topic)))
    for (const topic of this.#refused) if (!topics.includes(topic)) this.#refused.delete(topic)
    this.#settle()
  }

  reconnect(): void {
    this.#refused.clear()
    this.#canChange = true
    this.#batch = Number.POSITIVE_INFINITY
    if (this.#wanted.length > 0) this.#reopen()
  }

  /** Does what there is to do between what is wanted and what the stream carries. */
  #settle(): void {
    const wanted = this.#wanted.filter((topic) => !this.#refused.has(topic))
    if (wanted.length === 0) {
      if (this.#close !== undefined) this.#end(CLOSED)
      return
    }
    const { status } = this.#state
    if (this.#close === undefined || status === 'closed') {
      this.#reopen()
      return
    }
    if (status !== 'open') {
      // It comes back with what it had; with nothing of that any more, there is nothing to resume.
      if (this.#confirmed.length > 0 && !this.#confirmed.some((topic) => wanted.includes(topic))) this.#reopen()
      return
    }
    if (this.#change !== undefined) return
    const remove = [...this.#carried].filter((topic) => !wanted.includes(topic))
    const add = wanted.filter((topic) => !this.#carried.has(topic)).slice(0, this.#batch)
    const interval = pageInterval()
    if (add.length + remove.length === 0 && interval === this.#interval) return
    if (!this.#canChange || this.#streamId === undefined) {
      this.#reopen()
      return
    }
    const change = { add, remove, ...(interval === this.#interval ? {} : { interval_ms: interval }) }
    void this.#send(change, this.#streamId)
  }

  async #send(change: StreamChange & { add: string[]; remove: string[] }, streamId: string): Promise<void> {
    const ended = new AbortController()
    this.#change = ended
    const { add, remove } = change
    const options = {
      base: baseOf(this.#options),
      credentials: this.#credentials,
      fetch: this.#options.fetch,
      signal: ended.signal,
    }
    try {
      const response = await changeStream(streamId, change, options)
      if (response.ok) {
        const { data } = (await response.json()) as { data: StreamState }
        if (ended.signal.aborted) return
        // Not before: until then a topic that is taken again has its newest value here, and gets no other.
        this.#drop(remove)
        this.#carried = new Set(data.topics)
        this.#interval = data.interval_ms
        this.#batch *= 2
      } else {
        const problem = await problemOf(response)
        if (ended.signal.aborted) return
        // 404 may also mean that there is no such stream any more.
        const isGone = response.status === 404 && add.length === 1 && !(await changeStream(streamId, {}, options)).ok
        if (ended.signal.aborted) return
        if (!REFUSALS.has(response.status) || add.length === 0) this.#canChange = false
        else if (add.length > 1) this.#batch = add.length >> 1
        else if (!isGone) this.#refuse(add, problem)
        if (isGone || !this.#canChange) {
          this.#reopen()
          return
        }
      }
    } catch {
      if (ended.signal.aborted) return
      this.#canChange = false
      this.#reopen()
      return
    }
    this.#change = undefined
    this.#settle()
  }

  #refuse(topics: readonly string[], problem: Problem): void {
    const error = problem instanceof SSEError ? problem : new SSEError(problem)
    for (const topic of topics) {
      this.#refused.add(topic)
      this.#listener.onRefused(topic, error)
    }
  }

  #drop(topics: readonly string[]): void {
    for (const topic of topics) this.#listener.onDropped(topic)
  }

  #reopen(): void {
    this.#disconnect()
    this.#confirmed = []
    this.#open()
  }

  /** Returns the topics to connect with: those that the stream is resumed with or, where there are none, those that are wanted. */
  #ask(): readonly string[] {
    const wanted = this.#wanted.filter((topic) => !this.#refused.has(topic))
    const kept = this.#confirmed.filter((topic) => wanted.includes(topic))
    this.#asked = kept.length > 0 ? kept : wanted.slice(0, this.#batch)
    return this.#asked
  }

  #open(lastEventId?: string): void {
    const connection: { close?: () => void } = {}
    // What an earlier connection still tells while it is being closed is of no interest.
    const isCurrent = () => this.#close === close
    const close = () => connection.close?.()
    this.#close = close
    connection.close = connect(
      () => {
        this.#interval = pageInterval()
        return { topic: this.#ask() }
      },
      {
        ...this.#options,
        params: {},
        token: this.#credentials,
        lastEventId,
        onMessage: (message, event) => this.#listener.onEnvelope(message as Envelope, event.lastEventId),
        onControl: (event, data) => this.#control(event, data),
        onOpen: ({ streamId }) => {
          this.#streamId = streamId
          this.#canChange &&= streamId !== undefined
          this.#drop([...this.#carried].filter((topic) => !this.#asked.includes(topic)))
          this.#carried = new Set(this.#asked)
          this.#confirm(this.#asked)
          this.#change?.abort()
          this.#change = undefined
          this.#settle()
        },
        onState: (state) => {
          if (isCurrent()) this.#setState(state)
        },
        onError: (error) => {
          if (!this.#refused.has(this.#asked[0] ?? '')) this.#listener.onError(error)
        },
      },
      this.#isWatching,
    )
    if (!isCurrent()) close()
  }

  #setState(state: ConnectionState): void {
    if (state.status === 'closed' && state.error !== undefined && REFUSALS.has(state.error.status ?? 0)) {
      // Perhaps for one of its topics only.
      if (this.#asked.length === 1) {
        this.#refuse(this.#asked, state.error)
        if (this.#wanted.some((topic) => !this.#refused.has(topic))) {
          this.#reopen()
          return
        }
      } else if (this.#canChange) {
        this.#batch = this.#asked.length >> 1
        this.#reopen()
        return
      }
    }
    if (state.status !== 'open') {
      this.#streamId = undefined
      this.#change?.abort()
      this.#change = undefined
    }
    this.#tell(state)
  }

  #control(event: ControlEvent, data: unknown): void {
    if (event === 'stale') this.#listener.onStale((data as { topic: string }).topic)
    else if (event === 'changed') this.#confirm((data as StreamState).topics)
  }

  #confirm(topics: readonly string[]): void {
    this.#confirmed = topics
    this.#listener.onTopics?.(topics)
  }

  #disconnect(): void {
    this.#change?.abort()
    this.#change = undefined
    this.#close?.()
    this.#close = undefined
    this.#streamId = undefined
  }

  #end(state: ConnectionState): void {
    this.#disconnect()
    this.#drop([...this.#carried, ...this.#asked])
    this.#carried.clear()
    this.#asked = []
    this.#confirmed = []
    this.#batch = Number.POSITIVE_INFINITY
    this.#tell(state)
  }

  #tell(state: ConnectionState): void {
    this.#state = state
    this.#listener.onState(state)
  }
}
