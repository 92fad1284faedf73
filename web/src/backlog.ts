import type { Envelope } from './messages.js'

/** The share of a page's time that its listeners may take; the rest is for reading and rendering. */
const SHARE = 0.75

/** How far beyond their share they may be, in milliseconds: long enough for a burst. */
const SLACK = 100

/**
 * Hands events on to listeners. Where these take longer than the events leave them, each topic waits with its newest event only, as it does at the
 * server for a slow reader: so a slow listener gets fewer prices instead of old ones, and what is read is not held up.
 */
export class Backlog {
  readonly #deliver: (envelope: Envelope) => void
  /** The events of each topic that wait, oldest first. */
  readonly #waiting = new Map<string, Envelope[]>()
  /** How much more of the time the listeners have taken than their share, in milliseconds; reckoned up to `#at`. */
  #debt = 0
  #at = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(deliver: (envelope: Envelope) => void) {
    this.#deliver = deliver
  }

  /** Hands an event on, at once if the listeners keep up. */
  push(envelope: Envelope): void {
    if (this.#waiting.size === 0 && this.#excess() <= 0) {
      this.#hand(envelope)
      return
    }
    const { subscription_id: topic, merged = 0 } = envelope
    const waiting = this.#waiting.get(topic) ?? []
    const last = waiting.at(-1)
    if (last !== undefined && replaces(envelope, last)) {
      waiting.pop()
      waiting.push({ ...envelope, merged: merged + 1 + (last.merged ?? 0) })
    } else waiting.push(envelope)
    this.#waiting.set(topic, waiting)
    this.#timer ??= setTimeout(this.#run, this.#excess())
  }

  /** Hands on what waits of a topic: something else is to be said of it. */
  flush(topic: string): void {
    const waiting = this.#waiting.get(topic) ?? []
    this.#waiting.delete(topic)
    for (const envelope of waiting) this.#hand(envelope)
  }

  /** Drops what waits of a topic. */
  forget(topic: string): void {
    this.#waiting.delete(topic)
  }

  readonly #run = (): void => {
    this.#timer = undefined
    for (const [topic, [first, ...rest]] of this.#waiting) {
      if (this.#excess() > 0) break
      this.#waiting.delete(topic)
      if (rest.length > 0) this.#waiting.set(topic, rest) // after the others: each has its turn
      this.#hand(first as Envelope)
    }
    if (this.#waiting.size > 0) this.#timer = setTimeout(this.#run, this.#excess())
  }

  #hand(envelope: Envelope): void {
    const before = performance.now()
    this.#deliver(envelope)
    this.#debt += performance.now() - before
  }

  /** Returns how far the listeners are beyond what they may take, in milliseconds. */
  #excess(): number {
    const now = performance.now()
    this.#debt = Math.max(0, this.#debt - SHARE * (now - this.#at))
    this.#at = now
    return this.#debt - SLACK
  }
}

/** Whether an event makes the one before it in its topic worthless. A candle replaces the same candle only. */
function replaces(envelope: Envelope, last: Envelope): boolean {
  switch (envelope.event) {
    case 'tick':
    case 'proposal':
    case 'balance':
    case 'contracts':
      return true
    case 'candle':
      return last.event === 'candle' && last.data.open_epoch_ms === envelope.data.open_epoch_ms
    default:
      return false
  }
}
