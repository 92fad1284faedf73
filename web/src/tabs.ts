import { CLOSED } from './base_store.js'
import { CatchUp } from './catch_up.js'
import { baseOf, type ConnectionState, type ServerOptions } from './connection.js'
import { note } from './current_values.js'
import { Given } from './given.js'
import { type PageWatch, type PauseReason, watchPage } from './lifecycle.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type Resumption, type TopicLink, type TopicListener } from './multiplexer.js'
import { SSEError } from './problem.js'
import {
  type All,
  type FromLeader,
  fromPlain,
  type Led,
  type Message,
  type Told,
  toPlain,
  toProblem,
  type Value,
} from './tab_messages.js'
import { claimsOf, toCredentials } from './tokens.js'

/** How often a tab looks whether it has heard of the leader, in milliseconds. */
const LOOK_EVERY = 500

/** After so many looks without a word it asks whether the leader is alive. */
const ASK_AFTER = 2

/** After so many it takes the lead: the leader is blocked or frozen. Looks are counted and not time, since this tab itself may have been blocked. */
const TAKE_AFTER = 4

/** How long a new leader keeps the old leader's topics, in milliseconds, while the other tabs tell it which topics they want. */
const GRACE = 2000

/** A place in the stream. */
interface Moment {
  /** The id of the last event before it. */
  readonly id: string
  /** Counts the moments that a tab has come to: ids do not say which of two is the earlier one. */
  readonly number: number
}

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
 * crashes or is hidden for a while, the browser gives the lock to the next tab, which resumes after the last event. A leader that does not
 * answer is blocked or frozen, and loses the lock to another tab; its term is over then, and what it still says is not listened to. Each tab
 * also holds a lock of its own; when that is released, the leader knows that the tab is gone.
 *
 * Source: W3C Web Locks API; WHATWG HTML, section 9.6 "Broadcasting to other browsing contexts".
 */
export class TabLink implements TopicLink {
  readonly #name: string
  readonly #tab = crypto.randomUUID()
  readonly #options: ServerOptions
  readonly #listener: TopicListener
  readonly #values = new Map<string, Value>()
  readonly #given = new Given()
  readonly #others = new Map<string, readonly string[]>()
  /** Set while this tab wants topics. */
  #watch: PageWatch | undefined
  #mine: readonly string[] = []
  #inherited: readonly string[] = []
  /** The topics of the stream. */
  #topics: readonly string[] = []
  /** Other names of these. */
  #names: Resumption['names'] = new Map()
  /** Up to where this tab has missed nothing. */
  #moment: Moment = { id: '', number: 0 }
  #moments = 0
  #state: ConnectionState = CLOSED
  #channel: BroadcastChannel | undefined
  #link: Multiplexer | undefined
  #joined = new AbortController()
  /** Ends the wait for the lock; absent before this tab waits for it. */
  #queue: AbortController | undefined
  #leading = new AbortController()
  /** The newest leader's. */
  #term = 0
  /** How often in a row this tab has looked without having heard of the leader. */
  #looks = 0
  /** Whether the leader has told this tab everything: what it said before may be missing here. */
  #isTold = false
  /** The topics of which this tab has been given nothing since it was away; until a leader has told it everything. */
  readonly #awaited = new Set<string>()
  /** The server has refused this tab. It follows another that succeeds. */
  #hasFailed = false
  /** What the leader's stream does not carry though this tab wants it, and from where on something of it may be missing. */
  readonly #dropped = new Map<string, Moment>()
  #catchUp: CatchUp | undefined
  /** Where that began. */
  #caughtUpFrom: Moment = this.#moment

  /** @param name - the name of the lock and the channel; the same for all tabs that share. */
  constructor(name: string, options: ServerOptions, listener: TopicListener) {
    this.#name = name
    this.#options = options
    this.#listener = listener
  }

  want(topics: readonly string[]): void {
    const before = this.#mine
    this.#mine = topics
    for (const topic of before) if (!topics.includes(topic)) this.#forget(topic)
    if (topics.length === 0) {
      this.#watch?.end()
      this.#watch = undefined
      this.#leave()
      // Who begins again begins with the current values.
      this.#reach('')
      this.#topics = []
      this.#names = new Map()
      this.#values.clear()
      this.#dropped.clear()
      this.#setState(CLOSED)
      return
    }
    this.#watch ??= watchPage(
      this.#options,
      (reason) => this.#pause(reason),
      () => this.#wake(),
    )
    const { reason } = this.#watch
    const added = topics.filter((topic) => !before.includes(topic))
    if (reason !== undefined) {
      this.#setState({ status: 'paused', reason })
    } else if (this.#channel === undefined) {
      this.#join()
    } else {
      for (const topic of added) this.#show(topic)
      if (this.#hasFailed && added.length > 0) this.#retry()
      this.#settle(false)
    }
  }

  reconnect(): void {
    for (const [topic, { problem }] of this.#values) if (problem !== undefined) this.#values.delete(topic)
    this.#given.pardon()
    if (this.#channel === undefined) this.want(this.#mine)
    else if (this.#link !== undefined) this.#link.reconnect()
    else {
      if (this.#hasFailed) this.#retry()
      this.#post({ type: 'reconnect' })
    }
  }

  current(topic: string): Iterable<Envelope> {
    return this.#values.get(topic)?.current?.values() ?? []
  }

  #pause(reason: PauseReason | undefined): void {
    if (this.#mine.length === 0) return
    if (reason !== undefined) this.#leave()
    this.want(this.#mine)
  }

  /** Has the leader try now, where it waits to reconnect. */
  #wake(): void {
    if (this.#link !== undefined) this.#link.wake()
    else this.#post({ type: 'wake' })
  }

  #join(): void {
    this.#joined = new AbortController()
    const { signal } = this.#joined
    const channel = new BroadcastChannel(this.#name)
    this.#channel = channel
    // A message may still be on its way to a channel that was closed.
    channel.onmessage = ({ data }: MessageEvent<Message>) => this.#channel === channel && this.#take(data)
    this.#hasFailed = this.#isTold = false
    for (const topic of this.#mine) this.#awaited.add(topic)
    this.#queue = undefined
    this.#looks = 0
    this.#setState({ status: 'connecting' })
    // First this tab's own lock: a leader that hears of this tab waits for that lock, and must not get it while the tab is there.
    void hold(`${this.#name} ${this.#tab}`, signal, () => {
      this.#settle(true)
      void this.#compete()
    })
    const timer = setInterval(() => this.#look(), LOOK_EVERY)
    signal.addEventListener('abort', () => clearInterval(timer))
  }

  #look(): void {
    if (this.#link !== undefined || this.#queue === undefined || this.#hasFailed) return
    this.#looks += 1
    if (this.#looks === ASK_AFTER) this.#post({ type: 'ask' })
    if (this.#looks < TAKE_AFTER) return
    this.#looks = 0
    if (this.#state.status === 'open') this.#setState({ status: 'open', isSilent: true })
    this.#isTold = false
    void this.#compete(true)
  }

  /** Waits for the leader's lock, or takes it away, and leads as long as it has the lock; then it waits again. */
  async #compete(isTaking = false): Promise<void> {
    const joined = this.#joined.signal
    this.#queue?.abort()
    const queue = new AbortController()
    this.#queue = queue
    const isOver = () => queue.signal.aborted || joined.aborted
    while (!isOver()) {
      let hasLed = false
      const lead = () => {
        if (isOver()) return
        hasLed = true
        return this.#lead()
      }
      try {
        await navigator.locks.request(this.#name, isTaking ? { steal: true } : { signal: queue.signal }, lead)
      } catch {
        // Another tab has taken the lock away, unless this one never had it: then it waits no longer, or the page is going.
        if (!hasLed) return
      }
      isTaking = false
      if (isOver() || this.#hasFailed) return
      this.#resign()
      this.#settle(true)
    }
  }

  /** Leads until the term is over. */
  #lead(): Promise<void> {
    const { signal } = this.#leading
    // Later than all that were heard of, and than those that were not; a fraction of its own in case two begin at once.
    this.#term = Math.max(this.#term + 1, Date.now()) + Math.random()
    this.#isTold = true
    this.#awaited.clear()
    const resumption = this.#moment.id === '' || this.#topics.length === 0 ? undefined : this.#stream
    this.#inherited = [...this.#topics, ...this.#names.keys()]
    const tell = (told: Told) => {
      if (signal.aborted) return // this tab no longer leads
      // A new leader does not know yet who is there: its first events would reach nobody.
      if (this.#others.size > 0 || this.#inherited.length > 0) this.#tell(told)
      this.#hear(told)
    }
    const listener: TopicListener = {
      onEnvelope: (envelope, id) => tell({ type: 'event', envelope, id }),
      onStale: (topic) => tell({ type: 'stale', topic }),
      onDropped: (topic, isAnew = false) => tell({ type: 'dropped', topic, isAnew }),
      onRefused: (topic, error) => tell({ type: 'refused', topic, problem: toProblem(error) }),
      onTopics: (stream) => tell({ type: 'topics', stream }),
      onError: (error) => tell({ type: 'error', problem: toProblem(error) }),
      onState: (state) => {
        if (state.status !== 'closed') tell({ type: 'state', state: toPlain(state) })
        else if (state.error !== undefined && !signal.aborted) this.#fail(state, state.error)
      },
    }
    this.#link = new Multiplexer(this.#options, listener, false, resumption)
    this.#tell({ type: 'lead' })
    for (const topic of new Set([...this.#values.keys(), ...this.#mine]))
      if (resumption === undefined || !this.#inherited.includes(topic)) tell({ type: 'dropped', topic, isAnew: false })
    this.#settle(false)
    const timer = setTimeout(() => {
      this.#inherited = []
      this.#settle(false)
    }, GRACE)
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** The server has refused this tab. Only its own page is told, because another tab may succeed; then this one follows that. */
  #fail(state: ConnectionState, error: SSEError): void {
    this.#hasFailed = true
    this.#resign()
    this.#setState(state)
    // Where each topic was refused, that was told.
    if (this.#mine.some((topic) => this.#values.get(topic)?.problem === undefined)) this.#listener.onError(error)
  }

  /** Has another try after a failure. */
  #retry(): void {
    this.#hasFailed = false
    this.#setState({ status: 'connecting' })
    void this.#compete()
    this.#settle(true)
  }

  #resign(): void {
    const link = this.#link
    this.#leading.abort()
    this.#leading = new AbortController()
    this.#link = undefined
    this.#others.clear()
    this.#isTold = false
    this.#looks = 0
    link?.want([])
  }

  #leave(): void {
    if (this.#channel === undefined) return
    // It may lead again and resume after this event, or catch up.
    if (this.#catchUp?.topics.size) this.#moment = this.#caughtUpFrom
    this.#catchUp?.end()
    this.#post({ type: 'leave', tab: this.#tab })
    this.#channel.close()
    this.#channel = undefined
    this.#joined.abort()
    this.#queue?.abort()
    this.#resign()
  }

  /** Tells the leader which topics this tab wants; the leader itself updates its connection. */
  #settle(isNew: boolean): void {
    if (this.#link === undefined) this.#post({ type: 'want', tab: this.#tab, topics: this.#mine, isNew })
    else this.#link.want([...new Set([...this.#mine, ...this.#inherited, ...[...this.#others.values()].flat()])])
  }

  #take(message: Message): void {
    switch (message.type) {
      case 'want':
        if (this.#link !== undefined) this.#takeWant(message.tab, message.topics, message.isNew)
        return
      case 'leave':
        if (this.#link !== undefined && this.#others.delete(message.tab)) this.#settle(false)
        return
      case 'reconnect':
        this.#link?.reconnect()
        return
      case 'wake':
        this.#link?.wake()
        return
      case 'ask':
        if (this.#link !== undefined) this.#tell({ type: 'alive' })
        return
      default:
        // A leader that was blocked still tells what it knows, until it notices that its term is over.
        if (message.term >= this.#term) this.#follow(message)
    }
  }

  #follow(message: Led): void {
    this.#looks = 0
    if (message.term > this.#term) {
      this.#term = message.term
      // It competes again then: as its lock was taken away or, if two have begun at once, with a term that is the highest.
      if (this.#link !== undefined) this.#resign()
      this.#isTold = false
      this.#settle(true)
    }
    switch (message.type) {
      case 'all':
        if (message.to === this.#tab) this.#takeAll(message)
        return
      case 'alive':
        if (!this.#isTold) this.#settle(true)
        return
      case 'lead':
        return
      default:
        this.#hear(message)
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
      this.#tell({ type: 'all', to: tab, values: this.#values, stream: this.#stream, state })
    }
    this.#settle(false)
  }

  #takeAll({ values, stream, state }: All): void {
    const missed: string[] = []
    for (const topic of this.#mine) {
      const value = values.get(topic)
      // It may have begun anew while this tab did not listen; else the leader is behind the one before.
      if (this.#awaited.has(topic) && value?.envelope !== undefined && this.#given.isOlder(value.envelope))
        this.#given.end(topic)
      if (value === undefined) this.#miss(topic)
      else if (value.envelope !== undefined && this.#given.place(value.envelope) === 'gap') missed.push(topic)
    }
    this.#isTold = true
    this.#awaited.clear()
    this.#values.clear()
    for (const [topic, value] of values) this.#values.set(topic, value)
    // Of these, what is missing for the longest time is the first.
    const [, from = this.#moment] = [...this.#dropped].find(([topic]) => missed.includes(topic)) ?? []
    if (missed.length > 0 && from.id !== '') this.#fetch(from, missed)
    this.#takeStream(stream)
    this.#setFollowed(state)
    for (const topic of this.#mine) this.#show(topic)
  }

  get #stream(): Resumption {
    return { id: this.#moment.id, topics: this.#topics, names: this.#names }
  }

  #takeStream({ id, topics, names }: Resumption): void {
    this.#topics = topics
    this.#names = names
    if (this.#isTold) this.#reach(id || this.#moment.id)
  }

  #reach(id: string): void {
    const isFirst = this.#moment.id === ''
    this.#moments += 1
    this.#moment = { id, number: this.#moments }
    // Who has just begun has missed nothing that was before.
    if (isFirst) for (const topic of this.#dropped.keys()) this.#dropped.set(topic, this.#moment)
  }

  /** Gets what was missed of topics from the server, and what is being fetched already with it. */
  #fetch(from: Moment, missed: readonly string[]): void {
    const before = this.#catchUp?.topics ?? new Set<string>()
    const topics = [...new Set([...missed, ...before])]
    if (before.size === 0 || from.number < this.#caughtUpFrom.number) this.#caughtUpFrom = from
    const { id } = this.#caughtUpFrom
    this.#catchUp?.end()
    for (const topic of topics) this.#dropped.delete(topic)
    this.#catchUp = new CatchUp(
      this.#options,
      { id, topics, names: new Map() },
      {
        onEnvelope: (envelope, id) => this.#offer(envelope, id, true),
        onDropped: (topic) => this.#given.end(topic),
        onFailed: (topics) => {
          for (const topic of topics) {
            this.#given.end(topic)
            this.#dropped.delete(topic)
            this.#show(topic)
          }
        },
      },
    )
  }

  #hear(told: Told): void {
    const isMine = 'topic' in told && this.#mine.includes(told.topic)
    switch (told.type) {
      case 'event':
        if (this.#isTold || this.#moment.id === '') this.#reach(told.id || this.#moment.id)
        this.#note(told.envelope)
        this.#offer(told.envelope, told.id)
        return
      case 'stale':
        this.#values.set(told.topic, { ...this.#values.get(told.topic), isStale: true })
        if (isMine && this.#given.mark(told.topic, 'isStale')) this.#listener.onStale(told.topic)
        return
      case 'dropped':
        this.#values.delete(told.topic)
        if (told.isAnew) {
          this.#given.end(told.topic)
          this.#dropped.delete(told.topic)
        } else if (isMine) this.#miss(told.topic)
        return
      case 'refused':
        this.#values.set(told.topic, { problem: told.problem })
        if (isMine) this.#refuse(told.topic, new SSEError(told.problem))
        return
      case 'topics':
        this.#takeStream(told.stream)
        return
      case 'error':
        this.#listener.onError(new SSEError(told.problem))
        return
      case 'state':
        this.#setFollowed(told.state)
        return
    }
  }

  #note(envelope: Envelope): void {
    const { current = new Map() } = this.#values.get(envelope.subscription_id) ?? {}
    this.#values.set(envelope.subscription_id, { envelope, current: note(current, envelope) })
  }

  /** Notes that something of a topic may be missing from here on. */
  #miss(topic: string): void {
    if (!this.#dropped.has(topic)) this.#dropped.set(topic, this.#moment)
  }

  /** Gives the page an event, unless it has had it or lacks one before it. */
  #offer(envelope: Envelope, id: string, isMissed = false): void {
    const topic = envelope.subscription_id
    if (!this.#mine.includes(topic)) return
    const isSure = isMissed || this.#catchUp?.topics.has(topic)
    if (!isSure && this.#isTold && this.#dropped.has(topic)) this.#regain(topic, envelope)
    const place = this.#given.place(envelope)
    const isLater = place === 'gap' && !isMissed && (!this.#isTold || this.#catchUp?.topics.has(topic))
    if (place !== 'known' && !isLater) {
      this.#given.give(envelope)
      this.#awaited.delete(topic)
      this.#listener.onEnvelope(envelope, id)
    }
    if (this.#catchUp?.topics.has(topic) && this.#hasAll(topic)) this.#catchUp.reached(topic)
  }

  /** Looks at the first event of a topic that is carried again: what came before it, if anything, has to be fetched. */
  #regain(topic: string, envelope: Envelope): void {
    const from = this.#dropped.get(topic) ?? this.#moment
    this.#dropped.delete(topic)
    if (this.#given.place(envelope) !== 'gap' && !this.#given.isOlder(envelope)) return
    // It may also have begun anew; then the server says so.
    if (from.id === '') this.#given.end(topic)
    else this.#fetch(from, [topic])
  }

  /** Whether the page has been given all that was told of a topic. */
  #hasAll(topic: string): boolean {
    const { envelope } = this.#values.get(topic) ?? {}
    return envelope !== undefined && this.#given.place(envelope) === 'known'
  }

  #refuse(topic: string, error: SSEError): void {
    if (this.#given.mark(topic, 'isRefused')) this.#listener.onRefused(topic, error)
  }

  /** Gives this tab's page the known state of a topic. */
  #show(topic: string): void {
    const { envelope, current = new Map<string, Envelope>(), isStale, problem } = this.#values.get(topic) ?? {}
    for (const each of current.values()) this.#offer(each, this.#moment.id)
    // The newest event may have ended a contract, and so be no current value.
    if (envelope !== undefined && !this.#catchUp?.topics.has(topic)) this.#given.reach(envelope)
    if (isStale === true && this.#given.mark(topic, 'isStale')) this.#listener.onStale(topic)
    if (problem !== undefined) this.#refuse(topic, new SSEError(problem))
  }

  #forget(topic: string): void {
    this.#given.forget(topic)
    this.#dropped.delete(topic)
    this.#catchUp?.reached(topic)
    this.#listener.onDropped(topic)
  }

  /** Takes the state of the leader's connection. A tab that has failed itself believes only in success. */
  #setFollowed(state: ConnectionState): void {
    if (this.#hasFailed) {
      if (state.status !== 'open') return
      this.#hasFailed = false
      void this.#compete()
    }
    this.#setState(fromPlain(state))
  }

  #setState(state: ConnectionState): void {
    this.#state = state
    this.#listener.onState(state)
  }

  #tell(message: FromLeader): void {
    this.#post({ ...message, term: this.#term })
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
