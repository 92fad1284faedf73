import { covers, overlap } from './patterns.js'

/** After so many changes in a row without an answer a new stream takes the place of this one; after as many again one with everything. */
const MAX_FAILURES = 3

/**
 * How many names are remembered that the server has others for, beyond those that are wanted; how many topics that nobody asked for; and how many
 * that patterns have brought.
 */
const MAX_NAMES = 1000

/** A change of the open stream; with nothing to add or remove, the question what it carries. */
export interface Change {
  readonly do: 'change'
  /** Names the change, for what comes of it. */
  readonly number: number
  readonly add: readonly string[]
  readonly remove: readonly string[]
  /** The stream's pace, in milliseconds; 0 for every update. */
  readonly interval: number
}

/** What is to be done. */
export type Action<R> =
  /** Open a stream in place of the one there is, or is waited for, if any; {@link TopicSet.listen} says with which topics. */
  | { readonly do: 'connect' }
  /** Close the stream: nothing is wanted. */
  | { readonly do: 'disconnect' }
  | Change
  /** Call {@link TopicSet.waited} after a while; `failures`: how many changes in a row have failed. */
  | { readonly do: 'wait'; readonly failures: number }
  /** Tell the subscribers of a name that the server does not give it; a reason of null: it agreed, but does not say which of its topics is meant. */
  | { readonly do: 'refuse'; readonly name: string; readonly reason: R | null }
  /** Give the subscribers of a name what comes under the server's name for it, beginning with what has come. */
  | { readonly do: 'rename'; readonly name: string; readonly topic: string }
  /** Give the known values of a topic to its subscribers, from whom they were held back: the stream carries it, and goes on with it. */
  | { readonly do: 'serve'; readonly topic: string }
  /** Forget the known values of a topic: from here on the stream brings it no more, or begins with its current values. */
  | { readonly do: 'drop'; readonly topic: string }

/** What a connection asks for. */
export interface Listing {
  readonly topics: readonly string[]
  /** Whether it goes on after the last event; otherwise it begins with the current values. */
  readonly resumes: boolean
  /** Its pace, in milliseconds. */
  readonly interval: number
}

/** The server's names for what was asked for, where they differ. */
export type Names = Readonly<Record<string, string>>

/**
 * What one stream is to carry, what it carries, and what to ask for next, over all its connections.
 *
 * A state machine without input or output of its own: each method takes something that happened and returns what is to be done about it. The
 * Python client has the same one, and both run `tests/vectors/topic_set.json`. There is one change at a time, and the next one waits until the
 * stream has confirmed the last: so an event belongs to one list of topics. Only the server knows which names are of the same topic: it says so
 * wherever it says what the stream carries. A name may be a pattern: a topic goes on as long as the stream carries it by its name or by a pattern.
 *
 * @typeParam R - why a topic is refused.
 */
export class TopicSet<R> {
  /** Those of the wanted names that the server does not give, and why. */
  readonly refused = new Map<string, R | null>()
  /** What the stream itself said that it carries, up to its last event's id: with these topics it can be resumed. */
  confirmed: ReadonlySet<string> = new Set()
  /** The topics that a confirmed pattern has brought, but for those that are confirmed by their names; silent for the longest time first. */
  followed = new Set<string>()
  /** What the stream is to carry from the requested change on, as the answer to it said. */
  agreed: ReadonlySet<string> | undefined
  /** Whether a change had no answer since it was last known what the stream carries: it may have been made or not, or still be on its way. */
  unknown = false
  /** Names that are being removed, until it is known whether they are. */
  leaving = new Set<string>()
  /** The server's names for wanted ones, where they differ. */
  names = new Map<string, string>()

  /** What subscribers want, under the names that they use; oldest first. */
  #wanted: readonly string[] = []
  /** The change that is not settled. */
  #requested: Change | undefined
  #interval = 0
  #wantedInterval = 0
  /** What the stream has brought ahead of its confirmation. */
  #early = new Set<string>()
  /** What the stream has said since the change was requested. */
  #heard: ReadonlySet<string>[] = []
  #listing: Listing = { topics: [], resumes: false, interval: 0 }
  #isConnected = false
  #isOpen = false
  #canChange = false
  #isWaiting = false
  /** The next connection asks for everything, since the open stream could not be changed. */
  #startsOver = false
  /**
   * How many topics may be asked for at once. After a refusal it is halved until it is known which of them is refused; until then a change adds
   * or removes, and does not do both.
   */
  #batch = Number.POSITIVE_INFINITY
  /** A topic that was refused, unless every change is. */
  #suspect: [topic: string, reason: R] | undefined
  /** What was refused on an earlier stream. */
  #refusedBefore: readonly string[] = []
  /** The last change that was made, and what the stream carries since: asked for again, it would lead nowhere. */
  #made: string | undefined
  #number = 0
  #failures = 0

  /** Returns the server's name for a wanted one, as far as that is known. */
  topicOf(name: string): string {
    return this.names.get(name) ?? name
  }

  /** Returns the wanted names of a topic of the server; its own where it is not wanted. */
  namesOf(topic: string): readonly string[] {
    const names = this.names.size === 0 ? [] : this.#wanted.filter((name) => this.topicOf(name) === topic)
    return names.length > 0 ? names : [topic]
  }

  /** Says whether the stream may soon carry a topic no more: who wants it meanwhile waits until that is known. */
  isLeaving(topic: string): boolean {
    return carries(this.leaving, topic) && !carries(new Set(without(this.confirmed, this.leaving)), topic)
  }

  /** Notes all that is wanted from now on, and the pace, in milliseconds. */
  want(names: readonly string[], interval = 0): Action<R>[] {
    const gone = this.#wanted.filter((name) => !names.includes(name))
    this.#wanted = names
    this.#wantedInterval = interval
    for (const name of gone) this.refused.delete(name)
    // What the stream carries, or another name wants, is dropped when the stream is done with it.
    const topics = without(this.#topicsOf(gone), new Set([...this.#topicsOf(names), ...this.#known()]))
    if (this.names.size > MAX_NAMES) this.names = new Map([...this.names].filter(([name]) => names.includes(name)))
    return [...drop(topics), ...this.#settle()]
  }

  /** Begins anew, with the refused topics too. */
  retry(): Action<R>[] {
    this.refused.clear()
    return this.#wanted.length > 0 ? this.#connectAnew() : []
  }

  /**
   * Returns what the next connection is to ask for.
   *
   * @param hasCursor - whether there is an id to resume after.
   */
  listen(hasCursor: boolean): Listing {
    // What was confirmed can be resumed. What was added since cannot: its current value may not have come. So a lost stream is resumed with the
    // former, and the latter is added again; unless streams cannot be changed here.
    const topics = this.#topics()
    // A stream that begins with the current values needs nothing that goes on until others are added.
    const kept =
      hasCursor && !this.#startsOver ? this.#kept(topics) : [...topics].filter((topic) => this.confirmed.has(topic))
    const resumes = hasCursor && kept.length > 0
    const others = resumes && !this.#startsOver ? [] : without(topics, this.confirmed).slice(0, this.#batch)
    this.#listing = {
      topics: [...kept, ...others],
      resumes: resumes && others.length === 0,
      interval: this.#wantedInterval,
    }
    // Who wants one of these before the stream has begun must wait until it is added.
    for (const topic of without(this.confirmed, new Set(kept))) this.leaving.add(topic)
    return this.#listing
  }

  /**
   * Notes that a stream has begun with what was asked for.
   *
   * @param canChange - whether the server gave it an id.
   * @param isNew - whether it begins with the current values, rather than where the last one stopped.
   */
  opened(canChange: boolean, isNew: boolean): Action<R>[] {
    const { topics, interval } = this.#listing
    const listed = new Set(topics)
    const known = this.#known()
    const gone = new Set([...known].filter((topic) => isNew || !carries(listed, topic)))
    const stay = without(known, gone).filter((topic) => this.isLeaving(topic))
    this.#endStream()
    this.leaving.clear()
    this.#isConnected = this.#isOpen = true
    this.#canChange = canChange
    this.#startsOver = false
    this.#confirm(listed, new Set(without(known, gone)))
    this.#interval = interval
    if (isNew && canChange) for (const name of this.#refusedBefore) this.refused.delete(name)
    this.#refusedBefore = []
    return [...drop([...gone]), ...serve(stay), ...this.#settle()]
  }

  /** Notes that the stream is lost, and will be opened again. */
  cut(): Action<R>[] {
    if (!this.#isOpen) return []
    this.#refusedBefore = [...this.refused.keys()]
    return [...this.#lose(), ...this.#settle()]
  }

  /** Notes that there is no stream to come back to. Only when something else is wanted is there another one. */
  ended(): Action<R>[] {
    return this.#forget()
  }

  /** Notes that the newest connection was refused for one of its topics, or for their number; finds out which. */
  connectionRefused(reason: R): Action<R>[] {
    const { topics } = this.#listing
    // What a stream that could not be changed has had is taken: it is one of the others.
    const others = without(new Set(topics), this.confirmed)
    const suspects = others.length > 0 ? others : topics
    const actions = this.#forget()
    if (suspects.length === 1) actions.push(...this.#refuse(suspects[0] as string, reason))
    else this.#batch = suspects.length >> 1
    return [...actions, ...this.#settle()]
  }

  /**
   * Notes that the stream brings a topic; returns whether its values are to be kept. Until the topic is confirmed they are held back: were the
   * stream lost before, they would come again, and some after them would not.
   */
  heard(topic: string): boolean {
    if (this.confirmed.has(topic)) return true
    if (this.followed.delete(topic) || covers(this.confirmed, topic)) {
      this.followed.add(topic)
      return true
    }
    if (this.#isOpen && this.#early.size < MAX_NAMES) this.#early.add(topic)
    return this.#early.has(topic)
  }

  /**
   * Forgets the topic of a pattern that has been silent for the longest time, if there are too many: they end without a sign. One that goes on comes
   * again.
   */
  trim(): Action<R>[] {
    if (this.followed.size <= MAX_NAMES) return []
    const [oldest = ''] = this.followed
    this.followed.delete(oldest)
    return drop([oldest])
  }

  /** Notes that the stream itself said what it carries from here on, and the server's names for what was asked for. */
  changed(topics: readonly string[], names: Names): Action<R>[] {
    if (!this.#isOpen) return []
    const now = new Set(topics)
    const carried = new Set([...this.confirmed, ...this.followed])
    const stay = [...carried].filter((topic) => carries(now, topic))
    const come = [...this.#early].filter((topic) => carries(now, topic))
    const held = stay.filter((topic) => this.isLeaving(topic))
    for (const topic of come) this.#early.delete(topic)
    this.#confirm(now, new Set([...stay, ...come]))
    this.leaving = new Set([...this.leaving].filter((topic) => now.has(topic)))
    // What was being removed under one name stays under another.
    const served = new Set([...come, ...held.filter((topic) => !this.isLeaving(topic))])
    const actions: Action<R>[] = [
      ...drop(without(carried, new Set(stay))),
      ...serve([...served]),
      ...this.#rename(names),
    ]
    if (this.#requested !== undefined) {
      this.#heard.push(now)
      if (isSame(now, this.agreed)) actions.push(...this.#finish())
    }
    return [...actions, ...this.#settle()]
  }

  /** Notes that the server has made a change, what the stream carries from then on, and the server's names for what was added. */
  answered(number: number, topics: readonly string[], names: Names): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number) return []
    const agreed = new Set(topics)
    this.agreed = agreed
    this.#batch *= 2
    this.#failures = 0
    this.#interval = change.interval
    const actions = this.#rename(names)
    // Changes are taken, so it was the topic.
    if (this.#suspect !== undefined) actions.push(...this.#refuse(...this.#suspect))
    this.#suspect = undefined
    for (const topic of change.add) if (!agreed.has(topic)) actions.push(...this.#refuse(topic, null))
    if ([this.confirmed, ...this.#heard].some((heard) => isSame(heard, agreed))) actions.push(...this.#finish())
    return [...actions, ...this.#settle()]
  }

  /** Notes that the server refuses a change, and would again. */
  changeRefused(number: number, reason: R): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number) return []
    const { add, remove } = change
    const [first] = add
    // It cannot be changed.
    if (first === undefined) return this.#reopen(remove.length === 0)
    if (remove.length > 0) this.#batch = add.length
    else if (add.length > 1) this.#batch = add.length >> 1
    else this.#suspect = [first, reason]
    return [...this.#undo(), ...this.#settle()]
  }

  /**
   * Notes that a change has had no answer, or that the server will take it later.
   *
   * @param isUndone - whether the server said that it has done nothing, and will later.
   */
  changeFailed(number: number, isUndone = false): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number || this.agreed !== undefined) return []
    const { confirmed } = this
    if (
      this.#heard.length > 0 &&
      change.add.every((topic) => confirmed.has(this.topicOf(topic))) &&
      !change.remove.some((topic) => confirmed.has(topic))
    )
      return this.answered(number, [...confirmed], {}) // The stream has said that it was made.
    this.#failures += 1
    const actions: Action<R>[] = []
    if (isUndone) actions.push(...this.#undo())
    else if (this.#failures % MAX_FAILURES === 0) return this.#reopen(this.#failures > MAX_FAILURES)
    else {
      this.#requested = undefined
      this.unknown = true
    }
    this.#isWaiting = true
    return [...actions, { do: 'wait', failures: this.#failures }]
  }

  /** Notes that the wait after a failed change is over. */
  waited(): Action<R>[] {
    this.#isWaiting = false
    return this.#settle()
  }

  #asked(): string[] {
    return this.#wanted.filter((name) => !this.refused.has(name))
  }

  /** Returns the topics that are asked for, oldest first. */
  #topics(): Set<string> {
    return this.#topicsOf(this.#asked())
  }

  #topicsOf(names: readonly string[]): Set<string> {
    return new Set(names.map((name) => this.topicOf(name)))
  }

  /** Returns the topics whose values may be known. */
  #known(): Set<string> {
    return new Set([...this.confirmed, ...this.followed, ...this.#early])
  }

  /**
   * Returns what has to stay, of what the stream carries: what is asked for, and what may have topics of something else that is asked for and
   * still to be added. So these topics go on.
   */
  #kept(topics: ReadonlySet<string>): string[] {
    const added = without(topics, this.confirmed)
    const bridges = without(this.confirmed, topics).filter((name) => added.some((topic) => overlap(name, topic)))
    return [...[...topics].filter((topic) => this.confirmed.has(topic)), ...bridges.sort()]
  }

  /** Notes what the stream carries, and which of the topics that are known it goes on with. */
  #confirm(names: ReadonlySet<string>, known: ReadonlySet<string>): void {
    this.confirmed = names
    // In the order in which they were heard last, as far as that is known.
    const candidates = [...[...this.followed].filter((topic) => known.has(topic)), ...[...known].sort()]
    this.followed = new Set(candidates.filter((topic) => !names.has(topic) && covers(names, topic)))
  }

  /** Returns what there is to do between what is wanted and what the stream carries. */
  #settle(): Action<R>[] {
    const topics = this.#topics()
    if (topics.size === 0) {
      const end: Action<R>[] = this.#isConnected ? [{ do: 'disconnect' }] : []
      return [...this.#forget(), ...end]
    }
    if (!this.#isConnected) {
      this.#isConnected = true
      return [{ do: 'connect' }]
    }
    if (!this.#isOpen) {
      // Of what it would come back to, nothing may be wanted any more.
      const isLost = this.confirmed.size > 0 && this.#kept(topics).length === 0
      return isLost ? this.#connectAnew() : []
    }
    if (this.#requested !== undefined || this.#isWaiting) return []
    let add: string[] = []
    let remove: string[] = []
    if (!this.unknown && this.#suspect === undefined) {
      ;[add, remove] = this.#difference(topics)
      const isDue = add.length + remove.length > 0 && this.#made !== textOf(add, remove, this.confirmed)
      if (!isDue && this.#interval === this.#wantedInterval) return []
    }
    if (!this.#canChange) return this.#reopen(true)
    this.#number += 1
    this.#heard = []
    this.#requested = { do: 'change', number: this.#number, add, remove, interval: this.#wantedInterval }
    for (const topic of remove) this.leaving.add(topic)
    return [this.#requested]
  }

  /** Returns what the next change of the open stream is to add and to remove. */
  #difference(topics: ReadonlySet<string>): [add: string[], remove: string[]] {
    const add = without(topics, this.confirmed)
    const remove = without(this.confirmed, topics).sort()
    if (add.length === 0) this.#batch = Number.POSITIVE_INFINITY
    else if (this.#batch < Number.POSITIVE_INFINITY) {
      const kept = new Set(this.#kept(topics))
      const others = without(this.confirmed, kept).sort()
      return kept.size > 0 && others.length > 0 ? [[], others] : [add.slice(0, this.#batch), []]
    }
    return [add, remove]
  }

  /** Takes the server's names for what is wanted. */
  #rename(names: Names): Action<R>[] {
    const actions: Action<R>[] = []
    for (const name of this.#wanted) {
      const topic = names[this.topicOf(name)]
      if (topic === undefined) continue
      this.names.set(name, topic)
      actions.push({ do: 'rename', name, topic })
    }
    return actions
  }

  #refuse(topic: string, reason: R | null): Action<R>[] {
    const names = this.#asked().filter((name) => this.topicOf(name) === topic)
    for (const name of names) this.refused.set(name, reason)
    return names.map((name) => ({ do: 'refuse', name, reason }))
  }

  /** Has no change be requested: it was made, and what the stream carries is known. */
  #finish(): Action<R>[] {
    const { add = [], remove = [] } = this.#requested ?? {}
    this.#made = textOf(add, remove, this.agreed)
    this.unknown = false
    return this.#undo()
  }

  /** Has no change be requested: what was being removed and is confirmed stays, unless a change before had no answer. */
  #undo(): Action<R>[] {
    this.#requested = this.agreed = undefined
    if (this.unknown) return []
    const stay = new Set([...this.leaving, ...[...this.followed].filter((topic) => this.isLeaving(topic))])
    this.leaving.clear()
    return serve([...stay])
  }

  #connectAnew(): Action<R>[] {
    const actions = this.#forget()
    this.#isConnected = true
    return [...actions, { do: 'connect' }]
  }

  /** Has a new stream take the place of this one. */
  #reopen(startsOver: boolean): Action<R>[] {
    this.#startsOver = startsOver
    return [...this.#lose(), { do: 'connect' }]
  }

  /** Notes that the stream is no more; what came ahead of its confirmation is not resumed, and comes again. */
  #lose(): Action<R>[] {
    const gone = [...this.#early]
    this.#endStream()
    return drop(gone)
  }

  /** Has nothing to come back to. */
  #forget(): Action<R>[] {
    const gone = [...this.#known()]
    this.#endStream()
    this.confirmed = new Set()
    this.followed = new Set()
    this.leaving.clear()
    this.#isConnected = this.#startsOver = false
    this.#batch = Number.POSITIVE_INFINITY
    this.#failures = 0
    return drop(gone)
  }

  #endStream(): void {
    this.#isOpen = this.#isWaiting = this.unknown = false
    this.#requested = this.agreed = this.#suspect = this.#made = undefined
    this.#early.clear()
  }
}

/** Whether a topic is among some names, by its own or by a pattern. */
function carries(names: ReadonlySet<string>, topic: string): boolean {
  return names.has(topic) || covers(names, topic)
}

function without(topics: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...topics].filter((topic) => !others.has(topic))
}

function isSame(topics: ReadonlySet<string>, others: ReadonlySet<string> | undefined): boolean {
  return topics.size === others?.size && without(topics, others).length === 0
}

function textOf(add: readonly string[], remove: readonly string[], carried: Iterable<string> = []): string {
  return JSON.stringify([add, remove, [...carried].sort()])
}

const drop = (topics: readonly string[]): Action<never>[] => [...topics].sort().map((topic) => ({ do: 'drop', topic }))

const serve = (topics: readonly string[]): Action<never>[] =>
  [...topics].sort().map((topic) => ({ do: 'serve', topic }))
