import { Backlog } from './backlog.js'
import { addTo, BaseStore, emit } from './base_store.js'
import type { ServerOptions } from './connection.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'
import type { SSEError } from './problem.js'

/** The state of a topic. Every change makes a new object, so that states can be compared by identity. */
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
  readonly #link: TopicLink
  readonly #backlog = new Backlog((envelope) => this.#update(envelope.subscription_id, { envelope, isStale: false }))
  #isChanging = false

  /** @param makeLink - makes the link that receives the topics. Default: a connection of this store's own. */
  constructor(
    options: ServerOptions = {},
    makeLink: (listener: TopicListener) => TopicLink = (listener) => new Multiplexer(options, listener),
  ) {
    super()
    this.#link = makeLink({
      onEnvelope: (envelope) => {
        // Known already, where a topic stays that was taken again while it was being removed.
        if (envelope === this.topic(envelope.subscription_id).envelope) return
        this.received += 1
        this.#backlog.push(envelope)
      },
      onStale: (topic) => {
        this.#backlog.flush(topic)
        this.#update(topic, { ...this.topic(topic), isStale: true })
      },
      onRefused: (topic, error) => {
        this.#backlog.flush(topic)
        this.#update(topic, { ...this.topic(topic), error })
        this.reportError(error)
      },
      onDropped: (topic) => {
        if (this.#topics.get(topic)?.listeners.size !== 0) return
        this.#topics.delete(topic)
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
   * open contract, of all other topics the newest event. They may be newer than what slow listeners have been given.
   */
  current(topic: string): readonly Envelope[] {
    return [...this.#link.current(topic)]
  }

  /**
   * Calls the listener at every event of a topic. Returns the function that stops this.
   *
   * @param topic - `ticks:R_100` or `candles:R_100:60`.
   */
  subscribe(topic: string, listener: (state: TopicState) => void): () => void {
    const entry = this.#topics.get(topic) ?? { state: UNKNOWN, listeners: new Set() }
    this.#topics.set(topic, entry)
    this.wasUsed = true
    const remove = addTo(entry.listeners, listener)
    this.#change()
    return () => {
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
    })
  }

  #update(topic: string, state: TopicState): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return // the stream still sends a topic that it is about to drop
    entry.state = state
    emit(entry.listeners, state)
  }
}
