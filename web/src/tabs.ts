import { CLOSED } from './base_store.js'
import { baseOf, type ConnectionState, type ServerOptions } from './connection.js'
import { HIDDEN_AFTER, PageWatch, type PauseReason } from './lifecycle.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'
import { type Problem, SSEError } from './problem.js'
import { claimsOf, toCredentials } from './tokens.js'

/** The time between two messages by which the leading tab shows that it is alive, in milliseconds. */
const ALIVE_EVERY = 10_000

/** The silence after which the leading tab counts as frozen and another takes the lead, in milliseconds. */
const FROZEN_AFTER = 35_000

/** How long a new leader keeps the old leader's topics, in milliseconds, while the other tabs tell it which topics they want. */
const GRACE = 2000

/** The state of a topic, as it is sent from tab to tab. */
interface Value {
  readonly envelope?: Envelope
  readonly isStale?: boolean
  readonly problem?: Problem
}

type Told =
  | { readonly type: 'event'; readonly envelope: Envelope; readonly id: string }
  | { readonly type: 'stale' | 'dropped'; readonly topic: string }
  | { readonly type: 'refused'; readonly topic: string; readonly problem: Problem }
  | { readonly type: 'state'; readonly state: ConnectionState }
  | { readonly type: 'error'; readonly problem: Problem }
  | { readonly type: 'topics'; readonly topics: readonly string[] }

type Message =
  | Told
  /** From the leader: it has started to lead; it is alive. */
  | { readonly type: 'lead' | 'alive' }
  /** From the leader to one tab: everything it knows. */
  | {
      readonly type: 'all'
      readonly to: string
      readonly values: ReadonlyMap<string, Value>
      readonly topics: readonly string[]
      readonly id: string
      readonly state: ConnectionState
    }
  /** From another tab: the topics it wants; `isNew`: it knows nothing yet. */
  | { readonly type: 'want'; readonly tab: string; readonly topics: readonly string[]; readonly isNew: boolean }
  | { readonly type: 'leave'; readonly tab: string }
  | { readonly type: 'reconnect' }

/** Returns whether tabs can share a connection here: some browsers have no locks, or none for this page (in a sandboxed frame, for instance). */
export async function canShare(): Promise<boolean> {
  if (typeof BroadcastChannel !== 'function' || typeof document !== 'object' || !navigator.locks) return false
  try {
    await navigator.locks.request(`pricewire ${crypto.randomUUID()}`, () => {})
    return true
  } catch {
    return false
  }
}

/**
 * Shares one connection among all tabs with the same server and identity.
 *
 * The tab that holds a lock with a common name is the leader: it has the connection, and forwards events to the other tabs. When it is closed,
 * crashes or is hidden for a while, the browser gives the lock to the next tab, which resumes after the last event. A frozen leader is silent,
 * and loses the lock to a visible tab. Each tab also holds a lock of its own; when that is released, the leader knows that the tab is gone.
 *
 * Source: W3C Web Locks API; WHATWG HTML, section 9.6 "Broadcasting to other browsing contexts".
 */
export class TabLink implements TopicLink {
  readonly #name: string
  readonly #tab = crypto.randomUUID()
  readonly #options: ServerOptions
  readonly #listener: TopicListener
  readonly #values = new Map<string, Value>()
  readonly #others = new Map<string, readonly string[]>()
  /** Set while this tab wants topics. */
  #watch: PageWatch | undefined
  #mine: readonly string[] = []
  #inherited: readonly string[] = []
  /** The topics of the stream. */
  #topics: readonly string[] = []
  #id = ''
  #state: ConnectionState = CLOSED
  #channel: BroadcastChannel | undefined
  #link: Multiplexer | undefined
  #joined = new AbortController()
  #leading = new AbortController()
  #heardAt = 0

  /** @param name - the name of the lock and the channel; the same for all tabs that share. */
  constructor(name: string, options: ServerOptions, listener: TopicListener) {
    this.#name = name
    this.#options = options
    this.#listener = listener
  }

  want(topics: readonly string[]): void {
    const before = this.#mine
    this.#mine = topics
    for (const topic of before) if (!topics.includes(topic)) this.#listener.onDropped(topic)
    if (topics.length === 0) {
      this.#watch?.end()
      this.#watch = undefined
      this.#leave()
      this.#setState(CLOSED)
      return
    }
    this.#watch ??= new PageWatch(this.#options.hiddenAfter ?? HIDDEN_AFTER, (reason) => this.#pause(reason))
    const { reason } = this.#watch
    if (reason !== undefined) {
      this.#setState({ status: 'paused', reason })
    } else if (this.#channel === undefined) {
      this.#join()
    } else {
      for (const topic of topics) if (!before.includes(topic)) this.#show(topic)
      this.#settle(false)
    }
  }

  reconnect(): void {
    for (const [topic, { problem }] of this.#values) if (problem !== undefined) this.#values.delete(topic)
    if (this.#channel === undefined) this.want(this.#mine)
    else if (this.#link !== undefined) this.#link.reconnect()
    else this.#post({ type: 'reconnect' })
  }

  #pause(reason: PauseReason | undefined): void {
    if (this.#mine.length === 0 || (this.#channel === undefined && this.#state.status === 'closed')) return
    if (reason !== undefined) this.#leave()
    this.want(this.#mine)
  }

  #join(): void {
    this.#joined = new AbortController()
    const { signal } = this.#joined
    this.#channel = new BroadcastChannel(this.#name)
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#take(data)
    this.#heardAt = Date.now()
    this.#setState({ status: 'connecting' })
    // First this tab's own lock: a leader that hears of this tab waits for that lock, and must not get it while the tab is there.
    void hold(`${this.#name} ${this.#tab}`, signal, () => {
      this.#settle(true)
      this.#compete({ signal })
    })
    const timer = setInterval(() => {
      if (this.#link !== undefined) {
        if (this.#others.size > 0) this.#post({ type: 'alive' })
      } else if (!document.hidden && Date.now() - this.#heardAt > FROZEN_AFTER) {
        this.#heardAt = Date.now()
        this.#compete({ steal: true })
      }
    }, ALIVE_EVERY)
    signal.addEventListener('abort', () => clearInterval(timer))
  }

  /** Waits for the leader's lock, or steals it, and leads as long as it has the lock. */
  #compete(options: LockOptions): void {
    const { signal } = this.#joined
    const lead = () => {
      if (signal.aborted || this.#link !== undefined) return
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve())
        this.#lead()
      })
    }
    navigator.locks.request(this.#name, options, lead).catch(() => {
      // Either this tab has left, or another tab has stolen the lock: then this one waits for it again.
      if (signal.aborted || this.#link === undefined) return
      this.#resign()
      this.#settle(true)
      this.#compete({ signal })
    })
  }

  #lead(): void {
    this.#leading = new AbortController()
    this.#inherited = this.#topics
    const resumption = this.#id === '' || this.#topics.length === 0 ? undefined : { id: this.#id, topics: this.#topics }
    const { signal } = this.#leading
    const tell = (told: Told) => {
      if (signal.aborted) return // this tab no longer leads
      // A new leader does not know yet who is there: its first events would reach nobody.
      if (this.#others.size > 0 || this.#inherited.length > 0) this.#post(told)
      this.#hear(told)
    }
    const listener: TopicListener = {
      onEnvelope: (envelope, id) => tell({ type: 'event', envelope, id }),
      onStale: (topic) => tell({ type: 'stale', topic }),
      onDropped: (topic) => tell({ type: 'dropped', topic }),
      onRefused: (topic, { message, status, code }) =>
        tell({ type: 'refused', topic, problem: { message, status, code } }),
      onTopics: (topics) => tell({ type: 'topics', topics }),
      onError: ({ message, status, code }) => tell({ type: 'error', problem: { message, status, code } }),
      onState: (state) => {
        if (state.status === 'closed') this.#fail(state)
        else tell({ type: 'state', state: toPlain(state) })
      },
    }
    this.#link = new Multiplexer(this.#options, listener, false, resumption)
    this.#post({ type: 'lead' })
    this.#settle(false)
    const timer = setTimeout(() => {
      this.#inherited = []
      this.#settle(false)
    }, GRACE)
    signal.addEventListener('abort', () => clearTimeout(timer))
  }

  /** The server has refused this tab. Only its own page is told, because another tab may succeed. */
  #fail(state: ConnectionState): void {
    if (!('error' in state)) return // closed by this tab
    this.#leave()
    this.#setState(state)
  }

  #resign(): void {
    const link = this.#link
    this.#leading.abort()
    this.#link = undefined
    this.#others.clear()
    link?.want([])
  }

  #leave(): void {
    if (this.#channel === undefined) return
    const id = this.#id
    const topics = this.#topics
    this.#post({ type: 'leave', tab: this.#tab })
    this.#channel.close()
    this.#channel = undefined
    this.#joined.abort()
    this.#resign()
    // Kept, because this tab may lead again and resume after this event.
    this.#id = id
    this.#topics = topics
  }

  /** Tells the leader which topics this tab wants; the leader itself updates its connection. */
  #settle(isNew: boolean): void {
    if (this.#link === undefined) this.#post({ type: 'want', tab: this.#tab, topics: this.#mine, isNew })
    else this.#link.want([...new Set([...this.#mine, ...this.#inherited, ...[...this.#others.values()].flat()])])
  }

  #take(message: Message): void {
    this.#heardAt = Date.now()
    switch (message.type) {
      case 'lead':
        this.#settle(false)
        return
      case 'all':
        if (message.to === this.#tab) this.#takeAll(message)
        return
      case 'want':
        if (this.#link !== undefined) this.#takeWant(message.tab, message.topics, message.isNew)
        return
      case 'leave':
        if (this.#link !== undefined && this.#others.delete(message.tab)) this.#settle(false)
        return
      case 'reconnect':
        this.#link?.reconnect()
        return
      case 'alive':
        return
      default:
        // A leader ignores other leaders. There are two only until the old one notices that its lock was stolen.
        if (this.#link === undefined) this.#hear(message)
    }
  }

  #takeWant(tab: string, topics: readonly string[], isNew: boolean): void {
    const isUnknown = !this.#others.has(tab)
    this.#others.set(tab, topics)
    const { signal } = this.#leading
    if (isUnknown) {
      void hold(
        `${this.#name} ${tab}`,
        signal,
        () => {
          if (!signal.aborted && this.#others.delete(tab)) this.#settle(false)
        },
        'release',
      )
    }
    if (isNew || isUnknown) {
      const state = toPlain(this.#state)
      this.#post({ type: 'all', to: tab, values: this.#values, topics: this.#topics, id: this.#id, state })
    }
    this.#settle(false)
  }

  #takeAll({ values, topics, id, state }: Message & { type: 'all' }): void {
    this.#topics = topics
    this.#id = id
    for (const topic of [...this.#values.keys()]) if (!values.has(topic)) this.#values.delete(topic)
    for (const [topic, value] of values) {
      const before = this.#values.get(topic)
      this.#values.set(topic, value)
      const isNews = before?.envelope?.seq !== value.envelope?.seq || before?.isStale !== value.isStale
      if (isNews && this.#mine.includes(topic)) this.#show(topic)
    }
    this.#setState(fromPlain(state))
  }

  #hear(told: Told): void {
    const isMine = 'topic' in told && this.#mine.includes(told.topic)
    switch (told.type) {
      case 'event': {
        const topic = told.envelope.subscription_id
        this.#id = told.id || this.#id
        this.#values.set(topic, { envelope: told.envelope })
        if (this.#mine.includes(topic)) this.#listener.onEnvelope(told.envelope, told.id)
        return
      }
      case 'stale':
        this.#values.set(told.topic, { ...this.#values.get(told.topic), isStale: true })
        if (isMine) this.#listener.onStale(told.topic)
        return
      case 'dropped':
        this.#values.delete(told.topic)
        return
      case 'refused':
        this.#values.set(told.topic, { problem: told.problem })
        if (isMine) this.#listener.onRefused(told.topic, new SSEError(told.problem))
        return
      case 'topics':
        this.#topics = told.topics
        return
      case 'error':
        this.#listener.onError(new SSEError(told.problem))
        return
      case 'state':
        this.#setState(fromPlain(told.state))
        return
    }
  }

  /** Gives this tab's page the known state of a topic. */
  #show(topic: string): void {
    const { envelope, isStale, problem } = this.#values.get(topic) ?? {}
    if (envelope !== undefined) this.#listener.onEnvelope(envelope, this.#id)
    if (isStale === true) this.#listener.onStale(topic)
    if (problem !== undefined) this.#listener.onRefused(topic, new SSEError(problem))
  }

  #setState(state: ConnectionState): void {
    this.#state = state
    this.#listener.onState(state)
  }

  #post(message: Message): void {
    this.#channel?.postMessage(message)
  }
}

/**
 * Returns the name that all tabs with the same server and identity share. It is a digest, because the identity is private.
 *
 * @throws the error of the token function.
 */
export async function tabsName(options: ServerOptions): Promise<string> {
  const { token } = options
  const credentials = toCredentials(token)
  const text = await credentials?.get()
  // Two tabs may have different tokens of the same account, so claims that differ from token to token are left out.
  const { exp, iat, nbf, jti, ...identity } = claimsOf(text ?? '')
  const who = Object.keys(identity).length > 0 ? identity : text
  const bytes = new TextEncoder().encode(JSON.stringify([new URL(baseOf(options), document.baseURI).href, who]))
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return `pricewire ${btoa(String.fromCharCode(...digest))}`
}

/** Calls back when it has a lock, and holds the lock until the signal is aborted or, with `release`, releases it at once. */
async function hold(
  name: string,
  signal: AbortSignal,
  onHeld: () => void,
  then: 'keep' | 'release' = 'keep',
): Promise<void> {
  try {
    await navigator.locks.request(name, { signal }, () => {
      onHeld()
      if (then === 'keep' && !signal.aborted)
        return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      return undefined
    })
  } catch {
    // The signal was aborted while waiting.
  }
}

// The channel would copy only the message of an error.
function toPlain(state: ConnectionState): ConnectionState {
  if (!('error' in state) || state.error === undefined) return state
  const { message, status, code } = state.error
  return { ...state, error: { message, status, code } } as ConnectionState
}

function fromPlain(state: ConnectionState): ConnectionState {
  if (!('error' in state) || state.error === undefined) return state
  return { ...state, error: new SSEError(state.error) }
}
