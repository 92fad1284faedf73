/** How late updates come. */
export interface Lateness {
  /** Half of the updates came at most so late, in milliseconds. */
  readonly median: number
  /** 99 in 100 updates came at most so late, in milliseconds. */
  readonly p99: number
  /** How many updates that is of. */
  readonly count: number
}

/**
 * How late updates come, as far as a page can know it.
 *
 * The clocks of server and browser differ by an unknown amount. The update that came fastest is taken for one that took no time at all: what
 * it took is the clocks' difference, and how much longer another one took is how late that one is. So the time that every update takes is not
 * in it, and everything that comes on top is.
 */
export class Delays {
  /** How many updates took how long by the two clocks, in whole milliseconds. */
  readonly #counts = new Map<number, number>()
  #count = 0
  #fastest = Number.POSITIVE_INFINITY

  /**
   * Counts an update.
   *
   * @param sent - its time at its source, in milliseconds since 1970 by the server's clock.
   * @param received - when it came, by the browser's clock.
   */
  add(sent: number, received: number): void {
    const taken = Math.round(received - sent)
    this.#counts.set(taken, (this.#counts.get(taken) ?? 0) + 1)
    this.#count += 1
    this.#fastest = Math.min(this.#fastest, taken)
  }

  /** How far the browser's clock is ahead of the server's, the time of the fastest update included, in milliseconds; 0 before the first. */
  get offset(): number {
    return this.#count === 0 ? 0 : this.#fastest
  }

  /** Returns how late the updates came so far; undefined before the first. */
  lateness(): Lateness | undefined {
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
