/** The delay of updates. */
export interface DelayStatistics {
  /** Half of the updates had at most this delay, in milliseconds. */
  readonly median: number
  /** 99 of 100 updates had at most this delay, in milliseconds. */
  readonly p99: number
  /** How many updates were measured. */
  readonly count: number
}

/**
 * Measures the delay of updates, as far as a page can know it.
 *
 * The clocks of server and browser differ by an unknown amount, so the fastest update counts as 0 ms, and the delay of each other update is
 * how much longer it took. The time that every update needs is therefore not included; everything above it is.
 */
export class Delays {
  /** The number of updates by the time they took, in whole milliseconds by the two clocks. */
  readonly #counts = new Map<number, number>()
  #count = 0
  #fastest = Number.POSITIVE_INFINITY
  #longest = 0

  /**
   * Adds an update.
   *
   * @param sent - its time at its source, in milliseconds since 1970 by the server's clock.
   * @param received - when it arrived, in milliseconds since 1970 by the browser's clock.
   */
  add(sent: number, received: number): void {
    const taken = Math.round(received - sent)
    this.#counts.set(taken, (this.#counts.get(taken) ?? 0) + 1)
    this.#count += 1
    this.#fastest = Math.min(this.#fastest, taken)
    this.#longest = Math.max(this.#longest, taken - this.#fastest)
  }

  /** How far the browser's clock is ahead of the server's, plus the time of the fastest update, in milliseconds; 0 before the first update. */
  get offset(): number {
    return this.#count === 0 ? 0 : this.#fastest
  }

  /** Returns the longest delay since this was last called, in milliseconds; 0 if nothing has come. */
  takeLongest(): number {
    const longest = this.#longest
    this.#longest = 0
    return longest
  }

  /** Returns the delays so far; undefined before the first update. */
  statistics(): DelayStatistics | undefined {
    if (this.#count === 0) return undefined
    const sorted = [...this.#counts].sort(([one], [other]) => one - other)
    return { median: this.#quantile(sorted, 0.5), p99: this.#quantile(sorted, 0.99), count: this.#count }
  }

  #quantile(sorted: [number, number][], share: number): number {
    let rest = Math.ceil(share * this.#count)
    for (const [taken, count] of sorted) {
      rest -= count
      if (rest <= 0) return taken - this.#fastest
    }
    return 0
  }
}

/** The delays of all prices since the page was opened. */
export const delays = new Delays()
