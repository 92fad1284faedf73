/** A point of a chart, at a time in seconds since 1970. */
export interface Timed {
  readonly time: number
}

/** What a {@link LiveSeries} needs, and what it feeds. */
export interface LiveSeriesOptions<Point extends Timed> {
  /** Asks for the history, oldest first. */
  readonly load: (signal: AbortSignal) => Promise<Point[]>
  /** Is given all points: at first, and whenever the history was loaded anew. */
  readonly show: (points: Point[]) => void
  /** Is given a point that comes after the last one or, at the same time, replaces it. */
  readonly append: (point: Point) => void
  /** Is told that the history could not be loaded; it is tried again. */
  readonly fail: (error: Error) => void
}

interface Pending<Point> {
  readonly point: Point
  /** Whether points are missing before this one: `maybe` for the first of a stream, as long as nobody has looked. */
  gap: 'no' | 'maybe' | 'yes'
}

/** How long to wait before a history that could not be loaded is asked for again, in milliseconds. */
const RETRY_AFTER = 2000

/** So many points are kept: at hundreds of ticks per second a chart would grow without end. */
const MOST_POINTS = 10_000

/**
 * Joins a history to the stream that goes on from it, without a gap and without a duplicate.
 *
 * The two come from different requests, so either may be ahead of the other. Points of the stream wait while a history is on its way. Where the
 * stream was lost, or its numbers show that some are missing, the history is loaded again: being asked for after the point behind the gap had
 * come, it holds all that was before that point.
 */
export class LiveSeries<Point extends Timed> {
  readonly #options: LiveSeriesOptions<Point>
  readonly #stopped = new AbortController()
  readonly #pending: Pending<Point>[] = []
  #points: Point[] = []
  #seq = Number.NaN // which nothing follows
  #gap: 'maybe' | 'yes' = 'maybe'
  #isLoading = false
  #retryTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: LiveSeriesOptions<Point>) {
    this.#options = options
    void this.#load()
  }

  /** The newest point. */
  get last(): Point | undefined {
    return this.#points.at(-1)
  }

  /**
   * Takes the next point of the stream.
   *
   * @param seq - its number in the stream.
   * @param merged - how many numbers before it the stream has left out, because this point stands for them.
   */
  push(point: Point, seq: number, merged = 0): void {
    // Not smaller either: numbers that begin again are those of another server. The same once more is a snapshot.
    const follows = seq >= this.#seq && seq <= this.#seq + 1 + merged
    this.#pending.push({ point, gap: follows ? 'no' : this.#gap })
    this.#seq = seq
    this.#gap = 'yes'
    if (!this.#isLoading) this.#drain()
  }

  /** The stream was lost: whatever its numbers say, the next point is taken for one after a gap. */
  lost(): void {
    this.#seq = Number.NaN
  }

  /** Ends it: nothing is loaded or told any more. */
  stop(): void {
    this.#stopped.abort()
    clearTimeout(this.#retryTimer)
  }

  async #load(): Promise<void> {
    const { signal } = this.#stopped
    this.#isLoading = true
    try {
      const points = await this.#options.load(signal)
      if (signal.aborted) return
      this.#points = points
      this.#isLoading = false
      this.#options.show(points)
      this.#drain()
    } catch (error) {
      if (signal.aborted) return
      this.#retryTimer = setTimeout(() => void this.#load(), RETRY_AFTER)
      this.#options.fail(error as Error)
    }
  }

  #drain(): void {
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      const { point, gap } = next
      const time = this.last?.time ?? Number.NEGATIVE_INFINITY
      if (gap === 'yes' || (gap === 'maybe' && point.time > time)) {
        next.gap = 'no' // is so when the history that is asked for now has come
        void this.#load()
        return
      }
      this.#pending.shift()
      if (point.time < time) continue // older than what the history ends with
      if (point.time === time) this.#points.pop()
      this.#points.push(point)
      this.#options.append(point)
      if (this.#points.length > MOST_POINTS) {
        this.#points = this.#points.slice(-MOST_POINTS / 2)
        this.#options.show(this.#points)
      }
    }
  }
}
