import { CLOSED } from './base_store.js'
import { changeStream } from './changes.js'
import {
  baseOf,
  type Connection,
  type ConnectionState,
  type ControlEvent,
  connect,
  pageInterval,
  type ServerOptions,
} from './connection.js'
import { type CurrentValues, note } from './current_values.js'
import type { Envelope, StreamState } from './messages.js'
import { covers, isPattern } from './patterns.js'
import { problemOf, SSEError } from './problem.js'
import { isTransient, parseRetryAfter, Reconnection } from './reconnect.js'
import { type Credentials, toCredentials } from './tokens.js'
import { type Action, type Change, TopicSet } from './topic_set.js'

/** Who is told what comes over a {@link TopicLink}. */
export interface TopicListener {
  /** An event, and the id to resume after. */
  readonly onEnvelope: (envelope: Envelope, id: string) => void
  /** The feed of a topic has fallen silent. */
  readonly onStale: (topic: string) => void
  /** The server does not give a topic; the others go on. */
  readonly onRefused: (topic: string, error: SSEError) => void
  /** A topic is not carried any more: its next value is a new beginning. `isAnew`: that is so as the stream itself has begun anew. */
  readonly onDropped: (topic: string, isAnew?: boolean) => void
  /** What the stream carries from here on. */
  readonly onTopics?: (stream: Resumption) => void
  readonly onState: (state: ConnectionState) => void
  readonly onError: (error: SSEError) => void
}

/** What brings topics, however it gets them. */
export interface TopicLink {
  /** Takes the whole list of the topics that are wanted from now on; none: it closes. */
  want(topics: readonly string[]): void
  /** Connects again now, and asks for refused topics again. */
  reconnect(): void
  /** Returns the current values of a topic, oldest first: what a new stream of it would begin with. */
  current(topic: string): Iterable<Envelope>
  /**
   * Returns what is known already of a topic or a pattern that somebody else wants under another name, so that it does not come again; what is held
   * back comes later. Absent where there are no patterns.
   */
  known?(topic: string): Iterable<Envelope>
  /** Whether the stream carries a topic or a pattern by this name. Absent where there are no patterns. */
  carries?(name: string): boolean
  /** Returns the names of the topics of a pattern that are known; that of a topic itself. Absent where there are no patterns. */
  topicsOf?(name: string): readonly string[]
}

/** Where a stream stopped. */
export interface Resumption {
  /** The id of the last event. */
  readonly id: string
  /** The topics that it carried then. */
  readonly topics: readonly string[]
  /** Other names of these. */
  readonly names: ReadonlyMap<string, string>
}

/** How a connection is refused because of one of its topics, or because of their number. */
const REFUSALS = new Set([400, 403, 404, 409, 414, 431])

/** How long the answer to a change may take, in milliseconds. */
const CHANGE_TIMEOUT = 10_000

/** One stream of any topics, whose list is changed while it is open. It carries out what a {@link TopicSet} decides. */
export class Multiplexer implements TopicLink {
  readonly #options: ServerOptions
  readonly #listener: TopicListener
  readonly #credentials: Credentials | undefined
  readonly #isWatching: boolean
  readonly #set = new TopicSet<SSEError>()
  #wanted: readonly string[] = []
  readonly #values = new Map<string, CurrentValues>()
  /** What is held back: the events of topics that are not confirmed yet, or were taken again while they were being removed. */
  readonly #held = new Map<string, Envelope[]>()
  #connection: Partial<Connection> | undefined
  #streamId = ''
  /** The id to resume after. */
  #id = ''
  /** Ends what belongs to the open stream: the change on its way, and the wait for the next one. */
  #endChange = () => {}
  #retryAfter = 0
  /** Whether the stream is just beginning, with the current values. */
  #isAnew = false

  /**
   * @param isWatching - whether it pauses by itself while the page does not need it.
   * @param resumption - where another connection has stopped.
   */
  constructor(options: ServerOptions, listener: TopicListener, isWatching = true, resumption?: Resumption) {
    this.#options = options
    this.#listener = listener
    this.#credentials = toCredentials(options.token)
    this.#isWatching = isWatching
    if (resumption === undefined) return
    this.#id = resumption.id
    this.#set.confirmed = new Set(resumption.topics)
    this.#set.names = new Map(resumption.names)
    this.want(resumption.topics)
  }

  want(topics: readonly string[]): void {
    const set = this.#set
    const before = this.#wanted
    this.#wanted = topics
    const isShared = (name: string, names: readonly string[]) =>
      names.some((other) => other !== name && set.topicOf(other) === set.topicOf(name))
    // Nothing else tells that: the stream goes on with the topic, or drops it under its other name.
    for (const name of without(before, topics))
      if (set.topicOf(name) !== name || isShared(name, topics)) this.#listener.onDropped(name)
    for (const name of without(topics, before)) {
      if (isPattern(name)) {
        for (const topic of this.topicsOf(name)) if (this.#isLeft(topic, before)) this.#hold(topic)
        continue
      }
      const topic = set.topicOf(name)
      const current = [...this.#current(topic)]
      if (this.#held.has(topic)) continue
      if (this.#isLeft(topic, before)) {
        this.#hold(topic)
        // What comes is not given until it is known whether the topic stays: if it does not, something is missing from here on.
        this.#listener.onDropped(name)
      } else if (topic !== name || isShared(name, before))
        // What has come under another name is news.
        for (const envelope of current) this.#give(envelope, [name])
    }
    this.#act(set.want(topics, pageInterval()))
  }

  reconnect(): void {
    this.#act(this.#set.retry())
  }

  /** Tries now, where it waits to reconnect. */
  wake(): void {
    this.#connection?.wake?.()
  }

  *current(name: string): Iterable<Envelope> {
    if (isPattern(name)) for (const topic of this.topicsOf(name)) yield* this.#current(topic)
    else for (const envelope of this.#current(this.#set.topicOf(name))) yield { ...envelope, subscription_id: name }
  }

  *known(name: string): Iterable<Envelope> {
    for (const topic of this.topicsOf(name)) if (!this.#held.has(topic)) yield* this.#current(topic)
  }

  carries(name: string): boolean {
    return this.#set.confirmed.has(name)
  }

  topicsOf(name: string): string[] {
    return isPattern(name) ? [...this.#values.keys()].filter((topic) => covers([name], topic)) : [name]
  }

  /** Whether nobody is given what comes of a topic, and it may soon come no more. */
  #isLeft(topic: string, wanted: readonly string[]): boolean {
    return this.#set.isLeaving(topic) && !covers(wanted, topic)
  }

  #hold(topic: string): void {
    if (!this.#held.has(topic)) this.#held.set(topic, [...this.#current(topic)])
  }

  #current(topic: string): Iterable<Envelope> {
    return this.#values.get(topic)?.values() ?? []
  }

  #act(actions: readonly Action<SSEError>[]): void {
    for (const action of actions) {
      switch (action.do) {
        case 'connect':
          this.#open()
          break
        case 'disconnect':
          this.#disconnect()
          this.#id = ''
          this.#listener.onState(CLOSED)
          break
        case 'change':
          void this.#send(action)
          break
        case 'wait': {
          const { reconnectInterval: interval, reconnectCeiling: ceiling } = this.#options
          const backoff = new Reconnection({ attempts: Number.POSITIVE_INFINITY, interval, ceiling })
          backoff.attempt = action.failures - 1
          const wait = backoff.lost(0, Math.random(), this.#retryAfter)
          const timer = setTimeout(() => this.#act(this.#set.waited()), wait)
          this.#endChange = () => clearTimeout(timer)
          break
        }
        case 'refuse':
          this.#listener.onRefused(
            action.name,
            action.reason ?? new SSEError({ message: `the server has another name for ${action.name}` }),
          )
          break
        case 'rename': {
          const current = [...this.#current(action.topic)]
          if (this.#isLeft(action.topic, this.#wanted)) this.#hold(action.topic)
          // What is held back comes with the others.
          else if (!this.#held.get(action.topic)?.length)
            for (const envelope of current) this.#give(envelope, [action.name])
          break
        }
        case 'serve': {
          const held = this.#held.get(action.topic) ?? []
          this.#held.delete(action.topic)
          for (const envelope of held) this.#give(envelope)
          break
        }
        case 'drop':
          this.#held.delete(action.topic)
          this.#values.delete(action.topic)
          for (const name of this.#set.namesOf(action.topic)) this.#listener.onDropped(name, this.#isAnew)
      }
    }
  }

  /** Hands on what has come for a topic, under the names by which it is wanted. */
  #give(envelope: Envelope, names = this.#set.namesOf(envelope.subscription_id)): void {
    for (const name of names)
      this.#listener.onEnvelope(
        name === envelope.subscription_id ? envelope : { ...envelope, subscription_id: name },
        this.#id,
      )
  }

  #take(envelope: Envelope, id: string): void {
    const topic = envelope.subscription_id
    this.#id = id
    const set = this.#set
    if (!set.heard(topic)) return
    const values = this.#values.get(topic)
    this.#values.set(topic, note(values ?? new Map(), envelope))
    if (!set.confirmed.has(topic)) {
      const isEarly = !set.followed.has(topic)
      if ((isEarly || (values === undefined && set.isLeaving(topic))) && !this.#held.has(topic))
        this.#held.set(topic, [])
      if (!isEarly) this.#act(set.trim())
    }
    const held = this.#held.get(topic)
    if (held === undefined) this.#give(envelope)
    else held.push(envelope)
  }

  #control(event: ControlEvent, data: unknown, id: string): void {
    if (event === 'stale') {
      const { topic } = data as { topic: string }
      for (const name of this.#set.namesOf(topic)) this.#listener.onStale(name)
    } else if (event === 'changed') {
      this.#id = id
      this.#act(this.#set.changed((data as StreamState).topics, (data as StreamState).names))
      this.#tellTopics()
    }
  }

  #open(): void {
    this.#disconnect()
    let listing = this.#set.listen(this.#id !== '')
    // It has no methods yet while it is being made.
    const connection: Partial<Connection> = {}
    this.#connection = connection
    // What an earlier connection still tells while it is being closed is of no interest.
    const isCurrent = () => this.#connection === connection
    const made = connect(
      () => {
        listing = this.#set.listen(this.#id !== '')
        return { topic: listing.topics, interval_ms: listing.interval }
      },
      {
        ...this.#options,
        reconnectAttempts: this.#options.reconnectAttempts ?? Number.POSITIVE_INFINITY,
        params: {},
        token: this.#credentials,
        lastEventId: listing.resumes ? this.#id : undefined,
        onMessage: (message, event) => this.#take(message as Envelope, event.lastEventId),
        onControl: (event, data, id) => this.#control(event, data, id),
        onOpen: ({ start, streamId }) => {
          this.#streamId = streamId ?? ''
          if (!listing.resumes) this.#id = ''
          this.#isAnew = !listing.resumes || start === 'snapshot' || start === 'reset'
          this.#act(this.#set.opened(streamId !== undefined, this.#isAnew))
          this.#isAnew = false
          this.#tellTopics()
        },
        onState: (state) => {
          if (!isCurrent()) return
          if (state.status === 'closed' && REFUSALS.has(state.error?.status ?? 0)) {
            // Perhaps for one of its topics only: these tell it then.
            this.#disconnect()
            this.#act(this.#set.connectionRefused(state.error as SSEError))
            if (this.#connection === undefined) this.#listener.onState(state)
            return
          }
          if (state.status !== 'open') this.#endChange()
          if (state.status === 'closed') this.#act(this.#set.ended())
          else if (state.status !== 'open') this.#act(this.#set.cut())
          if (isCurrent()) this.#listener.onState(state)
        },
        onError: (error) => this.#listener.onError(error),
      },
      this.#isWatching,
    )
    Object.assign(connection, made)
    if (!isCurrent()) made.close()
  }

  async #send({ number, add, remove, interval }: Change): Promise<void> {
    const set = this.#set
    const request = new AbortController()
    const fail = (isUndone = false) => this.#act(set.changeFailed(number, isUndone))
    // What does not answer, a provider of tokens for instance, is not waited for: another change may be.
    const timer = setTimeout(() => {
      request.abort()
      fail()
    }, CHANGE_TIMEOUT)
    this.#endChange = () => {
      clearTimeout(timer)
      request.abort()
    }
    this.#retryAfter = 0
    try {
      const response = await changeStream(
        this.#streamId,
        { add, remove, interval_ms: interval },
        {
          base: baseOf(this.#options),
          credentials: this.#credentials,
          fetch: this.#options.fetch,
          signal: request.signal,
        },
      )
      const { ok, status, headers } = response
      if (ok) {
        const { data } = (await response.json()) as { data: StreamState }
        this.#act(set.answered(number, data.topics, data.names))
      } else if (isTransient(status) && status !== 501) {
        this.#retryAfter = parseRetryAfter(headers.get('Retry-After'), Date.now())
        fail(status === 429)
      } else this.#act(set.changeRefused(number, new SSEError(await problemOf(response))))
    } catch {
      fail()
    }
    clearTimeout(timer)
  }

  #disconnect(): void {
    this.#endChange()
    this.#connection?.close?.()
    this.#connection = undefined
  }

  #tellTopics(): void {
    const { confirmed, names } = this.#set
    const others = [...names].filter(([, topic]) => confirmed.has(topic))
    this.#listener.onTopics?.({ id: this.#id, topics: [...confirmed], names: new Map(others) })
  }
}

function without(names: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others)
  return names.filter((name) => !known.has(name))
}
