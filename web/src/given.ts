import type { Envelope } from './messages.js'

/** What an event is to a page: its topic's next one, one that it has had, or a later one than the next. */
export type Place = 'next' | 'known' | 'gap'

interface Last {
  envelope: Envelope | undefined
  /** Whether the next event is a new beginning: it may have any number. */
  isOver: boolean
  isStale: boolean
  isRefused: boolean
}

/** What a page has been given of its topics, so that it is given every event once and in order, whichever tab brings it. */
export class Given {
  readonly #last = new Map<string, Last>()

  /** Says what an event is to the page. */
  place(envelope: Envelope): Place {
    const { envelope: last, isOver } = this.#of(envelope.subscription_id)
    if (last === undefined) return 'next'
    if (isOver) return JSON.stringify(envelope) === JSON.stringify(last) ? 'known' : 'next'
    if (envelope.seq <= last.seq) return 'known'
    return envelope.seq > last.seq + 1 + (envelope.merged ?? 0) ? 'gap' : 'next'
  }

  /** Whether an event has an earlier number, or another content: where it is not late, its topic has begun anew. */
  isOlder(envelope: Envelope): boolean {
    const { envelope: last } = this.#of(envelope.subscription_id)
    return last !== undefined && envelope.seq <= last.seq && JSON.stringify(envelope) !== JSON.stringify(last)
  }

  /** Notes that the page gets an event. */
  give(envelope: Envelope): void {
    this.#last.set(envelope.subscription_id, { envelope, isOver: false, isStale: false, isRefused: false })
  }

  /** Notes that the page needs nothing up to an event. */
  reach(envelope: Envelope): void {
    if (this.place(envelope) !== 'known') this.give(envelope)
  }

  /** Notes that the page is told that a topic is stale or refused. Returns whether it was not told yet. */
  mark(topic: string, what: 'isStale' | 'isRefused'): boolean {
    const last = this.#of(topic)
    const isNews = !last[what]
    this.#last.set(topic, { ...last, [what]: true })
    return isNews
  }

  /** Notes that a topic's next event is a new beginning. */
  end(topic: string): void {
    const last = this.#last.get(topic)
    if (last !== undefined) last.isOver = true
  }

  /** Forgets refusals: what is refused again is news. */
  pardon(): void {
    for (const last of this.#last.values()) last.isRefused = false
  }

  /** Forgets a topic: the page has left it. */
  forget(topic: string): void {
    this.#last.delete(topic)
  }

  #of(topic: string): Last {
    return this.#last.get(topic) ?? { envelope: undefined, isOver: false, isStale: false, isRefused: false }
  }
}
