import { Backlog } from './backlog.js'
import { addTo, BaseStore, emit } from './base_store.js'
import type { ServerOptions } from './connection.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'
import { covers, isPattern } from './patterns.js'
import type { SSEError } from './problem.js'
import { call } from './report.js'

/**
 * The state of a topic. Every change makes a new object, so that states can be compared by identity. That of a pattern is the state of the topic of
 * it that has changed last.
 */
export interface TopicState {
  /** The newest event. */
  readonly envelope: Envelope | undefined
  /** Whether the server has said that the topic's feed is silent. */
  readonly isStale: boolean
  /** Why the server refuses this topic. */
  readonly error?: SSEError
}

interface Topic {
  state: TopicState
  readonly listeners: Set<(state: TopicState) => void>
}

/** The state of a topic that has received nothing yet. */
export const UNKNOWN: TopicState = { envelope: undefined, isStale: false }

/**
 * Subscribes to topics of one server over one connection.
 *
 * Subscriptions are counted: the connection opens with the first, is changed while it is open, and closes with the last. Changes in the same
 * turn of the event loop are sent as one. The store is independent of any framework; `pricewire/react` builds on it.
 */
export class TopicStore extends BaseStore {
  readonly #topics = new Map<string, Topic>()
  /** Those of them that are patterns. */
  readonly #patterns = new Map<string, Topic>()
  /** The topics whose feeds have fallen silent: a pattern's listeners that come later are told of each. */
  readonly #stale = new Set<string>()
  /** Has new listeners begin with what has come already under another name: it does not come again. */
  readonly #beginnings: (() => void)[] = []
  readonly #link: TopicLink
  readonly #backlog = new Backlog((envelope) => this.#tell(envelope.subscription_id, { envelope, isStale: false }))
  #isChanging = false

  /** @param makeLink - makes the link that receives the topics. Default: a connection of this store's own. */
  constructor(
    options: ServerOptions = {},
    makeLink: (listener: TopicListener) => TopicLink = (listener) => new Multiplexer(options, listener),
  ) {
    super()
    this.#link = makeLink({
      onEnvelope: (envelope) => {
        // Known already, where a topic stays that was taken again while it was being removed; but not to who wants a pattern of it.
        if (envelope === this.topic(envelope.subscription_id).envelope && this.#patterns.size === 0) return
        this.received += 1
        this.#backlog.push(envelope)
      },
      onStale: (topic) => {
        this.#backlog.flush(topic)
        this.#stale.add(topic)
        const envelope = this.topic(topic).envelope ?? this.current(topic).at(-1)
        this.#tell(topic, { ...this.topic(topic), envelope, isStale: true })
      },
      onRefused: (topic, error) => {
        this.#backlog.flush(topic)
        this.#update(topic, { ...this.topic(topic), error })
        this.reportError(error)
      },
      onDropped: (topic) => {
        this.#stale.delete(topic)
        if (this.#topics.get(topic)?.listeners.size !== 0) return
        this.#topics.delete(topic)
        this.#patterns.delete(topic)
        this.#backlog.forget(topic)
      },
      onState: (state) => this.setState(state),
      onError: (error) => this.reportError(error),
    })
  }

  get isUnused(): boolean {
    return this.wasUsed && !this.#isChanging && this.state.status === 'closed' && this.#topics.size === 0
  }

  /** Returns the state of a topic; the same object until it changes. */
  topic(topic: string): TopicState {
    return this.#topics.get(topic)?.state ?? UNKNOWN
  }

  /**
   * Returns the current values of a topic, oldest first, with which a new stream of it would begin: of the changes of contracts the newest of each
   * open contract, of all other topics the newest event. They may be newer than what slow listeners have been given. Of a pattern, those of all its
   * topics.
   */
  current(topic: string): readonly Envelope[] {
    return [...this.#link.current(topic)]
  }

  /** Returns the names of the topics of a pattern that are known; of one that has ended, until the stream begins anew. */
  topicsOf(pattern: string): readonly string[] {
    return this.#link.topicsOf?.(pattern) ?? []
  }

  /**
   * Calls the listener at every event of a topic. Returns the function that stops this.
   *
   * @param topic - `ticks:R_100` or `candles:R_100:60`; or a pattern, as `ticks:1HZ*`, for every event of every topic of that beginning: the envelope
   * says of which. A pattern's listeners are first called with the current value of each.
   * @throws TypeError if the topic is a pattern, and tabs share the store's connection: they share topics by their names.
   */
  subscribe(topic: string, listener: (state: TopicState) => void): () => void {
    const isOfMany = isPattern(topic)
    if (isOfMany && this.#link.known === undefined)
      throw new TypeError(`tabs do not share the pattern ${topic}: take a store with shareTabs: false`)
    const entry = this.#topics.get(topic) ?? { state: UNKNOWN, listeners: new Set() }
    this.#topics.set(topic, entry)
    if (isOfMany) this.#patterns.set(topic, entry)
    this.wasUsed = true
    let isTold = !isOfMany
    const remove = addTo<TopicState>(entry.listeners, (state) => isTold && listener(state))
    this.#beginnings.push(() => {
      const known = isOfMany || entry.state === UNKNOWN ? [...(this.#link.known?.(topic) ?? [])] : []
      // What waits is older, and for the others.
      for (const { subscription_id } of known) this.#backlog.flush(subscription_id)
      if (isOfMany ? !entry.state.error : entry.state === UNKNOWN)
        for (const envelope of known) {
          entry.state = { envelope, isStale: this.#stale.has(envelope.subscription_id) }
          if (!isOfMany) emit(entry.listeners, entry.state)
          else if (!isTold) call(listener, entry.state)
        }
      isTold = true
    })
    this.#change()
    return () => {
      isTold = true
      remove()
      if (entry.listeners.size === 0) this.#change()
    }
  }

  reconnect(): void {
    for (const [topic, { state }] of this.#topics) {
      if (state.error !== undefined) this.#update(topic, { envelope: state.envelope, isStale: state.isStale })
    }
    this.#link.reconnect()
  }

  #change(): void {
    if (this.#isChanging) return
    this.#isChanging = true
    // In a microtask: a page that mounts forty components changes the list once, and one that remounts a component does not change it.
    queueMicrotask(() => {
      this.#isChanging = false
      // A topic without listeners keeps its state until the stream has dropped it: if it is subscribed again before that, no new snapshot comes.
      this.#link.want([...this.#topics].filter(([, { listeners }]) => listeners.size > 0).map(([topic]) => topic))
      for (const begin of this.#beginnings.splice(0)) begin()
      // A pattern has no values of its own to be kept; and of what was taken and left in one turn, and never asked for, nothing tells of the end.
      for (const [topic, { state, listeners }] of this.#topics)
        if (listeners.size === 0 && (this.#patterns.delete(topic) || state === UNKNOWN)) this.#topics.delete(topic)
    })
  }

  /** Tells the listeners of a topic, and those of its patterns. */
  #tell(topic: string, state: TopicState): void {
    if (!state.isStale) this.#stale.delete(topic)
    if (state.envelope !== this.topic(topic).envelope || state.isStale) this.#update(topic, state)
    // A state without an event does not say of which topic it is; and a pattern that was refused may be taken later on.
    for (const [pattern, { state: before }] of this.#patterns)
      if (state.envelope && covers([pattern], topic) && (!before.error || this.#link.carries?.(pattern)))
        this.#update(pattern, state)
  }

  #update(topic: string, state: TopicState): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return // the stream still sends a topic that it is about to drop
    entry.state = state
    emit(entry.listeners, state)
  }
}
