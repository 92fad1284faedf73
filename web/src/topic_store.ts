import { addTo, BaseStore, emit } from './base_store.js'
import type { ServerOptions } from './connection.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'
import type { SSEError } from './problem.js'

/** What is known of a topic. A new object with every change, so that two of them can be compared by identity. */
export interface TopicState {
  /** The newest event. */
  readonly envelope: Envelope | undefined
  /** Whether the server has said that the topic's feed fell silent. */
  readonly isStale: boolean
  /** Why the server does not give this topic. */
  readonly error?: SSEError
}

interface Topic {
  state: TopicState
  readonly listeners: Set<(state: TopicState) => void>
}

/** The state of a topic that nothing is known of. */
export const UNKNOWN: TopicState = { envelope: undefined, isStale: false }

/**
 * The topics that a page wants of one server, over one connection, however many places want them.
 *
 * Subscriptions are counted. The connection opens with the first, is changed while it is open, and closes with the last. All changes of one
 * turn are one change. It knows no framework; `pricewire/react` sits on top.
 */
export class TopicStore extends BaseStore {
  readonly #topics = new Map<string, Topic>()
  readonly #link: TopicLink
  #isChanging = false
  #wasUsed = false

  /** @param makeLink - makes what brings the topics; by default a connection of its own. */
  constructor(
    options: ServerOptions = {},
    makeLink: (listener: TopicListener) => TopicLink = (listener) => new Multiplexer(options, listener),
  ) {
    super()
    this.#link = makeLink({
      onEnvelope: (envelope) => {
        this.received += 1
        this.#update(envelope.subscription_id, { envelope, isStale: false })
      },
      onStale: (topic) => this.#update(topic, { ...this.topic(topic), isStale: true }),
      onRefused: (topic, error) => {
        this.#update(topic, { ...this.topic(topic), error })
        this.tellError(error)
      },
      onDropped: (topic) => {
        if (this.#topics.get(topic)?.listeners.size === 0) this.#topics.delete(topic)
      },
      onState: (state) => this.setState(state),
      onError: (error) => this.tellError(error),
    })
  }

  get isSpent(): boolean {
    return this.#wasUsed && !this.#isChanging && this.state.status === 'closed' && this.#topics.size === 0
  }

  /** Returns what is known of a topic; the same object until there is news. */
  topic(topic: string): TopicState {
    return this.#topics.get(topic)?.state ?? UNKNOWN
  }

  /**
   * Calls the listener with every event of a topic, until the returned function is called.
   *
   * @param topic - `ticks:R_100` or `candles:R_100:60`.
   */
  subscribe(topic: string, listener: (state: TopicState) => void): () => void {
    const entry = this.#topics.get(topic) ?? { state: UNKNOWN, listeners: new Set() }
    this.#topics.set(topic, entry)
    this.#wasUsed = true
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
    // At the end of the turn: a page that mounts forty components, or takes one away and puts it back, changes the list once or not at all.
    queueMicrotask(() => {
      this.#isChanging = false
      // What nobody wants keeps its entry until the stream has dropped it: taken again before that, it gets no other value.
      this.#link.want([...this.#topics].filter(([, { listeners }]) => listeners.size > 0).map(([topic]) => topic))
    })
  }

  #update(topic: string, state: TopicState): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return // of a topic that is about to be dropped
    entry.state = state
    emit(entry.listeners, state)
  }
}
