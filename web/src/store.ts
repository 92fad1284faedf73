import {
  type ConnectionState,
  type ControlEvent,
  createSSEConnection,
  type ServerOptions,
  type SSEError,
} from './connection.js'
import type { Envelope } from './messages.js'
import { call } from './report.js'

/** What is known of a topic. A new object with every change, so that two of them can be compared by identity. */
export interface TopicState {
  /** The newest event. */
  readonly envelope: Envelope | undefined
  /** Whether the server has said that the topic's feed fell silent. */
  readonly isStale: boolean
}

type TopicListener = (state: TopicState) => void

interface Topic {
  state: TopicState
  readonly listeners: Set<TopicListener>
}

const UNKNOWN: TopicState = { envelope: undefined, isStale: false }
const CLOSED: ConnectionState = { status: 'closed' }

/**
 * The topics that a page wants of one server, over one connection, however many places want them.
 *
 * Subscriptions are counted. The connection opens with the first, is exchanged for one with the new list when the list changes, and closes
 * with the last. All changes of one turn are one change. It knows no framework; `pricewire/react` sits on top.
 */
export class TopicStore {
  /** How many messages have come since the store was made. */
  received = 0

  readonly #options: ServerOptions
  readonly #topics = new Map<string, Topic>()
  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #errorListeners = new Set<(error: SSEError) => void>()
  #state: ConnectionState = CLOSED
  #close: (() => void) | undefined
  #closeOld: (() => void) | undefined
  #connected = ''
  #generation = 0
  #isChanging = false

  constructor(options: ServerOptions = {}) {
    this.#options = options
  }

  /** Where the connection is; `closed` also before the first subscription and after the last. */
  get state(): ConnectionState {
    return this.#state
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
  subscribe(topic: string, listener: TopicListener): () => void {
    // A listener of its own for each call: the same function may be given twice, and each is ended by itself.
    const own: TopicListener = (state) => listener(state)
    const entry = this.#topics.get(topic) ?? { state: UNKNOWN, listeners: new Set() }
    this.#topics.set(topic, entry)
    entry.listeners.add(own)
    this.#change()
    return () => {
      entry.listeners.delete(own)
      if (entry.listeners.size === 0) this.#change()
    }
  }

  /** Calls the listener with {@link TopicStore.state}, now and at every change, until the returned function is called. */
  onState(listener: (state: ConnectionState) => void): () => void {
    call(listener, this.#state)
    return addTo(this.#stateListeners, listener)
  }

  /** Calls the listener with everything that goes wrong, until the returned function is called. */
  onError(listener: (error: SSEError) => void): () => void {
    return addTo(this.#errorListeners, listener)
  }

  /** Connects again now: for a button beside "reconnecting in 20 s", or after the connection has given up. */
  reconnect(): void {
    this.#connected = ''
    this.#change()
  }

  #change(): void {
    if (this.#isChanging) return
    this.#isChanging = true
    // At the end of the turn: a page that mounts forty components, or takes one away and puts it back, changes the list once or not at all.
    queueMicrotask(() => {
      this.#isChanging = false
      this.#connect()
    })
  }

  #connect(): void {
    // Not before the end of the turn: with its entry a topic that is taken again would lose its value, and no new one would be sent.
    for (const [topic, { listeners }] of this.#topics) if (listeners.size === 0) this.#topics.delete(topic)
    const topics = [...this.#topics.keys()].sort()
    const wanted = topics.join(' ')
    if (wanted === this.#connected) return
    this.#connected = wanted
    this.#generation += 1
    if (topics.length === 0) {
      this.#close?.()
      this.#closeOld?.()
      this.#close = undefined
      this.#closeOld = undefined
      this.#setState(CLOSED)
      return
    }
    // An open connection goes on until the new one is open too, so that nobody sees the change.
    if (this.#state.status === 'open' && this.#closeOld === undefined) this.#closeOld = this.#close
    else this.#close?.()
    const generation = this.#generation
    this.#close = createSSEConnection({
      ...this.#options,
      // Without Last-Event-ID: with it the current values of topics that are new would not be sent.
      params: { topic: topics },
      onMessage: (envelope) => this.#take(envelope),
      onControl: (event, data) => this.#control(event, data),
      onError: (error) => emit(this.#errorListeners, error),
      onState: (state) => {
        if (generation !== this.#generation) return // the old one was lost while the new one is on its way
        if (state.status === 'connecting' && this.#closeOld !== undefined) return
        this.#closeOld?.()
        this.#closeOld = undefined
        this.#setState(state)
      },
    })
  }

  #take(envelope: Envelope): void {
    this.received += 1
    this.#update(envelope.subscription_id, { envelope, isStale: false })
  }

  #control(event: ControlEvent, data: unknown): void {
    const { topic } = data as { topic?: string }
    if (event === 'stale' && topic !== undefined) this.#update(topic, { ...this.topic(topic), isStale: true })
  }

  #update(topic: string, state: TopicState): void {
    const entry = this.#topics.get(topic)
    if (entry === undefined) return // of a connection that is about to be exchanged
    entry.state = state
    emit(entry.listeners, state)
  }

  #setState(state: ConnectionState): void {
    this.#state = state
    emit(this.#stateListeners, state)
  }
}

const stores = new Map<string, TopicStore>()

/** Returns the store of these options: the same one for the same options, so that everything on a page shares one connection. */
export function sharedStore(options: ServerOptions = {}): TopicStore {
  const { baseUrl, token, reconnectAttempts, reconnectInterval, reconnectCeiling } = options
  const key = [baseUrl, token, reconnectAttempts, reconnectInterval, reconnectCeiling].join(' ')
  let store = stores.get(key)
  if (store === undefined) {
    store = new TopicStore(options)
    stores.set(key, store)
  }
  return store
}

function addTo<T>(listeners: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const own = (value: T) => listener(value)
  listeners.add(own)
  return () => void listeners.delete(own)
}

function emit<T>(listeners: Set<(value: T) => void>, value: T): void {
  for (const listener of listeners) call(listener, value)
}
