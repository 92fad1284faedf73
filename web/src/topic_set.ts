/** After so many changes in a row without an answer a new stream takes the place of this one. */
const MAX_FAILURES = 3

/** How many names are remembered that the server has others for, beyond those that are wanted. */
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
  /** Give the known values of a topic to subscribers who came while it was being removed: it has stayed. */
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

/**
 * What one stream is to carry, what it carries, and what to ask for next, over all its connections.
 *
 * A state machine without input or output of its own: each method takes something that happened and returns what is to be done about it. The
 * Python client has the same one, and both run `tests/vectors/topic_set.json`. There is one change at a time, and the next one waits until the
 * stream has confirmed the last: so an event belongs to one list of topics.
 *
 * @typeParam R - why a topic is refused.
 */
export class TopicSet<R> {
  /** Those of the wanted names that the server does not give, and why. */
  readonly refused = new Map<string, R | null>()
  /** What the stream itself said that it carries, up to its last event's id: with these topics it can be resumed. */
  confirmed = new Set<string>()
  /** What the stream carries as the server said last, in an answer or on the stream. */
  agreed = new Set<string>()
  /** Topics of a change that had no answer: it may have been made or not, or still be on its way. */
  readonly unknown = new Set<string>()
  /** Topics that are being removed, until it is known whether they are: who wants one of them meanwhile waits for that. */
  readonly leaving = new Set<string>()

  /** What subscribers want, under the names that they use; oldest first. */
  #wanted: readonly string[] = []
  /** The change that is not settled. */
  #requested: Change | undefined
  #interval = 0
  #wantedInterval = 0
  /** The server's names for wanted ones, where they differ. */
  #names = new Map<string, string>()
  /** What the server has not named yet, and may have another name for. */
  readonly #unnamed = new Set<string>()
  /** What it has another name for; each of these is asked for alone. With it the carried topics that it was found not to be. */
  readonly #odd = new Map<string, Set<string> | undefined>()
  #listing: Listing = { topics: [], resumes: false, interval: 0 }
  #isConnected = false
  #isOpen = false
  #canChange = false
  #isWaiting = false
  /** The next connection asks for everything, since the open stream could not be changed. */
  #startsOver = false
  /** How many topics may come at once: halved when a request is refused, to find out which of them it is. */
  #batch = Number.POSITIVE_INFINITY
  /** A change that adds and removes was refused: from now on one or the other. */
  #isSplit = false
  /** What the stream carries has to be asked. */
  #isUnsure = false
  /** A topic that was refused, unless every change is. */
  #suspect: [topic: string, reason: R] | undefined
  /** What the stream keeps though it was to be removed. */
  readonly #stuck = new Set<string>()
  /** What the stream has brought without being asked. */
  readonly #strange = new Set<string>()
  /** What was refused on an earlier stream. */
  #refusedBefore: readonly string[] = []
  #number = 0
  #failures = 0
  /** The answer to the requested change, and what the stream has said since that was sent. */
  #answer: Set<string> | undefined
  #heard: Set<string>[] = []

  /** Returns the server's name for a wanted one, as far as that is known. */
  topicOf(name: string): string {
    return this.#names.get(name) ?? name
  }

  /** Returns the wanted names of a topic of the server; its own where it is not wanted. */
  namesOf(topic: string): readonly string[] {
    const names = this.#names.size === 0 ? [] : this.#wanted.filter((name) => this.topicOf(name) === topic)
    return names.length > 0 ? names : [topic]
  }

  /** Whether what comes for a topic may be its current value. */
  carries(topic: string): boolean {
    const { confirmed, agreed, unknown } = this
    return confirmed.has(topic) || agreed.has(topic) || unknown.has(topic) || !!this.#requested?.add.includes(topic)
  }

  /** Notes all that is wanted from now on, and the pace, in milliseconds. */
  want(names: readonly string[], interval = 0): Action<R>[] {
    const gone = this.#wanted.filter((name) => !names.includes(name))
    this.#wanted = names
    this.#wantedInterval = interval
    for (const name of gone) {
      this.refused.delete(name)
      this.#odd.delete(name)
    }
    const topics = gone.map((name) => this.topicOf(name)).filter((topic) => !this.carries(topic))
    if (this.#names.size > MAX_NAMES) this.#names = new Map([...this.#names].filter(([name]) => names.includes(name)))
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
    const topics = this.#asked().map((name) => this.topicOf(name))
    const kept = topics.filter((topic) => this.confirmed.has(topic))
    const resumes = hasCursor && kept.length > 0
    const isAll = !resumes || this.#startsOver
    const others = isAll ? topics.filter((topic) => !this.confirmed.has(topic)).slice(0, this.#batch) : []
    this.#listing = {
      topics: [...new Set([...kept, ...others])],
      resumes: resumes && others.length === 0,
      interval: this.#wantedInterval,
    }
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
    const gone = [...this.#known()].filter((topic) => isNew || !topics.includes(topic))
    const stay = isNew ? [] : topics.filter((topic) => this.leaving.has(topic))
    this.#endStream()
    this.leaving.clear()
    this.#isConnected = this.#isOpen = true
    this.#canChange = canChange
    this.#startsOver = false
    this.confirmed = new Set(topics)
    this.agreed = new Set(topics)
    for (const topic of topics) this.#unnamed.add(topic)
    // Two names may be of one topic: then nothing would come for one of them.
    this.#isUnsure = new Set(topics.map(kindOf)).size < topics.length
    this.#interval = interval
    if (isNew && canChange) for (const name of this.#refusedBefore) this.refused.delete(name)
    this.#refusedBefore = []
    return [...drop(gone), ...serve(stay), ...this.#settle()]
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
    const actions: Action<R>[] = []
    let suspects = this.#listing.topics.filter((topic) => !this.confirmed.has(topic))
    this.#isConnected = false
    if (suspects.length === 0) {
      suspects = [...this.#listing.topics]
      actions.push(...this.#forget())
    }
    if (suspects.length === 1) actions.push(...this.#refuse(suspects[0] as string, reason))
    else this.#batch = suspects.length >> 1
    return [...actions, ...this.#settle()]
  }

  /** Notes that the stream brings a topic that it was not asked for under this name. */
  heard(topic: string): Action<R>[] {
    if (!this.#isOpen || this.#strange.has(topic) || this.carries(topic) || this.#strange.size >= MAX_NAMES) return []
    this.#strange.add(topic)
    this.unknown.add(topic)
    return this.#settle()
  }

  /** Notes that the stream itself said what it carries from here on. */
  changed(topics: readonly string[]): Action<R>[] {
    const now = new Set(topics)
    const gone = without(new Set([...this.confirmed, ...this.leaving]), now)
    this.confirmed = now
    for (const topic of gone) this.leaving.delete(topic)
    const actions: Action<R>[] = drop(gone)
    if (this.#requested === undefined) actions.push(...this.#learn(now))
    else {
      this.#heard.push(now)
      if (isSame(now, this.#answer)) this.#finish()
    }
    return [...actions, ...this.#settle()]
  }

  /** Notes that the server has made a change, and what the stream carries from then on. */
  answered(number: number, topics: readonly string[]): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number) return []
    const now = new Set(topics)
    const actions: Action<R>[] = []
    if (this.#suspect !== undefined) {
      // Changes are taken, so it was the topic.
      actions.push(...this.#refuse(...this.#suspect))
      this.#suspect = undefined
    }
    this.#batch *= 2
    this.#failures = 0
    this.#interval = change.interval
    for (const topic of change.remove) if (now.has(topic)) this.#stuck.add(topic)
    actions.push(...this.#learn(now, change))
    this.#answer = now
    if ([this.confirmed, ...this.#heard].some((heard) => isSame(heard, now))) this.#finish()
    return [...actions, ...this.#settle()]
  }

  /** Notes that the server refuses a change, and would again. */
  changeRefused(number: number, reason: R): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number) return []
    const { add, remove } = change
    const [first] = add
    this.#finish()
    const actions = this.#keep(remove)
    if (first !== undefined && remove.length > 0 && !(this.#isSplit && this.#odd.has(first))) this.#isSplit = true
    else if (add.length > 1) this.#batch = add.length >> 1
    else if (first !== undefined) this.#suspect = [first, reason]
    else if (remove.length > 0) {
      for (const topic of remove) {
        this.#stuck.add(topic)
        // The server knows better what the stream carries.
        this.unknown.add(topic)
      }
    } else if (this.#isAtStake()) return [...actions, ...this.#startOver()]
    else {
      this.#isUnsure = false
      actions.push(...drop(without(this.unknown, this.confirmed, this.agreed)))
      this.unknown.clear()
    }
    return [...actions, ...this.#settle()]
  }

  /**
   * Notes that a change has had no answer, or that the server will take it later.
   *
   * @param isUndone - whether the server said that it has done nothing, and will later.
   */
  changeFailed(number: number, isUndone = false): Action<R>[] {
    const change = this.#requested
    if (change?.number !== number || this.#answer !== undefined) return []
    const { add, remove } = change
    const { confirmed } = this
    if (
      this.#heard.length > 0 &&
      add.every((topic) => confirmed.has(topic)) &&
      !remove.some((topic) => confirmed.has(topic))
    )
      return this.answered(number, [...confirmed]) // The stream has said that it was made.
    this.#finish()
    this.#failures += 1
    const actions = isUndone ? this.#keep(remove) : []
    if (!isUndone) {
      for (const topic of [...add, ...remove]) this.unknown.add(topic)
      if (this.#failures >= MAX_FAILURES && this.#isAtStake()) return this.#startOver()
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

  /** Returns the topics that the stream may carry. */
  #known(): Set<string> {
    return new Set([...this.confirmed, ...this.agreed, ...this.unknown, ...(this.#requested?.add ?? [])])
  }

  /** Returns what there is to do between what is wanted and what the stream carries. */
  #settle(): Action<R>[] {
    const asked = this.#asked()
    if (asked.length === 0) {
      const end: Action<R>[] = this.#isConnected ? [{ do: 'disconnect' }] : []
      return [...this.#forget(), ...end]
    }
    if (!this.#isConnected) {
      this.#isConnected = true
      return [{ do: 'connect' }]
    }
    if (!this.#isOpen) {
      // Of what it would come back to, nothing may be wanted any more.
      const isLost = this.confirmed.size > 0 && !asked.some((name) => this.confirmed.has(this.topicOf(name)))
      return isLost ? this.#connectAnew() : []
    }
    if (this.#requested !== undefined || this.#isWaiting) return []
    const [add, remove] = this.#difference(asked)
    const isDue = add.length + remove.length > 0 || this.#interval !== this.#wantedInterval
    if (!this.#canChange) return isDue ? this.#startOver() : []
    if (!isDue && !this.#isUnsure && this.unknown.size === 0 && this.#suspect === undefined) return []
    this.#number += 1
    this.#requested = { do: 'change', number: this.#number, add, remove, interval: this.#wantedInterval }
    for (const topic of add) this.#unnamed.add(topic)
    for (const topic of remove) this.leaving.add(topic)
    return [this.#requested]
  }

  /** Returns what the next change of the open stream is to add and to remove. */
  #difference(asked: readonly string[]): [add: string[], remove: string[]] {
    if (this.#suspect !== undefined) return [[], []]
    const topics = new Set(asked.map((name) => this.topicOf(name)))
    const missing = without(topics, this.agreed, this.unknown)
    const add = missing.filter((topic) => !this.#odd.has(topic)).slice(0, this.#batch)
    const remove = without(this.agreed, topics, this.unknown, this.#stuck).sort()
    const [first] = missing
    if (add.length > 0 || first === undefined) return [add, add.length > 0 && this.#isSplit ? [] : remove]
    // Added in one change with the removal of what it may be, it shows which it is: that stays then.
    const namesakes = this.#namesakes(first)
    return [[first], namesakes.length > 0 ? namesakes.slice(0, 1) : this.#isSplit ? [] : remove]
  }

  /** Returns the carried topics that may be the same as an odd one. */
  #namesakes(name: string): string[] {
    const tested = this.#odd.get(name)
    return tested === undefined
      ? []
      : without(this.agreed, tested)
          .filter((topic) => kindOf(topic) === kindOf(name))
          .sort()
  }

  /** Takes what the server says of the stream for the truth: what is unknown no more, and what it has other names for. */
  #learn(now: ReadonlySet<string>, change?: Change): Action<R>[] {
    const expected = new Set([...without(this.agreed, this.unknown), ...(change?.add ?? [])])
    for (const topic of change?.remove ?? []) expected.delete(topic)
    const actions: Action<R>[] = [...drop(without(this.unknown, now, this.confirmed)), ...this.#keep([...now])]
    const odd = this.#asked().filter((name) => this.#unnamed.has(name) && expected.has(name) && !now.has(name))
    // What a change without an answer was about may be carried or not: that is no other name.
    const extra = without(now, expected, new Set(without(this.unknown, this.#strange)))
    const [topic] = extra
    this.agreed = new Set(now)
    this.unknown.clear()
    this.#unnamed.clear()
    this.#isUnsure = false
    for (const name of odd) {
      if (odd.length === 1 && extra.length === 1 && topic !== undefined) {
        this.#odd.delete(name)
        this.#names.set(name, topic)
        actions.push({ do: 'rename', name, topic })
      } else if (odd.length > 1 || change?.add.length !== 1 || change.add[0] !== name) {
        if (!this.#odd.has(name)) this.#odd.set(name, undefined)
      } else {
        this.#odd.set(name, new Set([...(this.#odd.get(name) ?? []), ...change.remove]))
        if (extra.length > 0 || this.#namesakes(name).length === 0) actions.push(...this.#refuse(name, null))
      }
    }
    return actions
  }

  /** Whether something that is wanted depends on a change, and not only the question what the stream carries. */
  #isAtStake(): boolean {
    return this.#suspect !== undefined || without(this.unknown, this.#strange).length > 0
  }

  /** Notes that topics are not being removed after all. */
  #keep(topics: readonly string[]): Action<R>[] {
    return serve(topics.filter((topic) => this.leaving.delete(topic)))
  }

  #refuse(topic: string, reason: R | null): Action<R>[] {
    const names = this.#asked().filter((name) => this.topicOf(name) === topic)
    for (const name of names) this.refused.set(name, reason)
    return names.map((name) => ({ do: 'refuse', name, reason }))
  }

  /** Has no change be requested. */
  #finish(): void {
    this.#requested = this.#answer = undefined
    if (this.#heard.length > 0) this.agreed = new Set(this.confirmed)
    this.#heard = []
  }

  #connectAnew(): Action<R>[] {
    const actions = this.#forget()
    this.#isConnected = true
    return [...actions, { do: 'connect' }]
  }

  /** Has a new stream take the place of this one, with everything. */
  #startOver(): Action<R>[] {
    this.#startsOver = true
    return [...this.#lose(), { do: 'connect' }]
  }

  /** Notes that the stream is no more; what came ahead of its confirmation is not resumed, and comes again. */
  #lose(): Action<R>[] {
    const known = this.#known()
    // Nor is what came under names that nobody knew.
    if (this.#strange.size + this.#odd.size > 0)
      for (const topic of [...this.#unnamed, ...this.#odd.keys()]) this.confirmed.delete(topic)
    this.#endStream()
    this.agreed = new Set(this.confirmed)
    return drop(without(known, this.confirmed))
  }

  /** Has nothing to come back to. */
  #forget(): Action<R>[] {
    const known = this.#known()
    this.#endStream()
    for (const topics of [this.confirmed, this.agreed, this.leaving]) topics.clear()
    this.#isConnected = this.#startsOver = false
    this.#batch = Number.POSITIVE_INFINITY
    return drop([...known])
  }

  #endStream(): void {
    this.#isOpen = this.#isWaiting = this.#isSplit = this.#isUnsure = false
    this.#requested = this.#answer = this.#suspect = undefined
    this.#heard = []
    this.#failures = 0
    for (const topics of [this.unknown, this.#unnamed, this.#stuck, this.#strange, this.#odd]) topics.clear()
  }
}

/** Returns the part of a topic that is written in one way only: of many parts the first two, otherwise all. */
function kindOf(topic: string): string {
  const parts = topic.split(':')
  return parts.length > 3 ? parts.slice(0, 2).join(':') : topic
}

function without(topics: ReadonlySet<string>, ...others: ReadonlySet<string>[]): string[] {
  return [...topics].filter((topic) => !others.some((other) => other.has(topic)))
}

function isSame(topics: ReadonlySet<string>, others: ReadonlySet<string> | undefined): boolean {
  return topics.size === others?.size && without(topics, others).length === 0
}

const drop = (topics: readonly string[]): Action<never>[] => [...topics].sort().map((topic) => ({ do: 'drop', topic }))

const serve = (topics: readonly string[]): Action<never>[] =>
  [...topics].sort().map((topic) => ({ do: 'serve', topic }))
