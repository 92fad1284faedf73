/** A point of a chart, at a time in seconds since 1970. */
export interface Timed {
  readonly time: number
}

/** Where a {@link LiveSeries} gets its history, and where its points go. */
export interface LiveSeriesOptions<Point extends Timed> {
  /** Loads the newest points, oldest first; with `before`, those before that one. */
  readonly load: (signal: AbortSignal, before?: Point) => Promise<Point[]>
  /** Called with all points: first, and whenever the history was loaded again. */
  readonly show: (points: Point[]) => void
  /** Called with a point that is newer than the last one, or has the same time and replaces it. */
  readonly append: (point: Point) => void
  /** Called when the history could not be loaded; it is then loaded again. */
  readonly fail: (error: Error) => void
}

interface Pending<Point> {
  readonly point: Point
  /** Whether points are missing before this one: `maybe` for the first point of a stream, until it is compared with the history. */
  gap: 'no' | 'maybe' | 'yes'
}

/** The wait before a history that could not be loaded is loaded again, in milliseconds. */
const RETRY_AFTER = 2000

/** The most points that are kept: at hundreds of ticks per second a chart would grow without limit. */
const MAX_POINTS = 10_000

/**
 * Joins a history and the stream that continues it, without gaps and duplicates.
 *
 * The two come from different requests, so either may be ahead of the other. While the history loads, points of the stream wait. After a lost
 * connection, or if the sequence numbers show a gap, the history is loaded again. The request is sent after the first point behind the gap has
 * arrived, so its answer contains everything before that point.
 */
export class LiveSeries<Point extends Timed> {
  readonly #options: LiveSeriesOptions<Point>
  readonly #stopped = new AbortController()
  readonly #pending: Pending<Point>[] = []
  #points: Point[] = []
  #seq = Number.NaN // compares false with every number, so no point follows it
  #gap: 'maybe' | 'yes' = 'maybe'
  #isLoading = false
  #isAtStart = false
  #retryTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: LiveSeriesOptions<Point>) {
    this.#options = options
    void this.#load()
  }

  /** The newest point. */
  get last(): Point | undefined {
    return this.#points.at(-1)
  }

  /** All points, oldest first. */
  get points(): readonly Point[] {
    return this.#points
  }

  /** Returns the point at a time; undefined if there is none. */
  at(time: number): Point | undefined {
    let [low, high] = [0, this.#points.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#points[middle]?.time ?? time) < time) low = middle + 1
      else high = middle
    }
    const found = this.#points[low]
    return found?.time === time ? found : undefined
  }

  /**
   * Adds the next point of the stream.
   *
   * @param seq - its sequence number.
   * @param merged - how many sequence numbers before it the stream has left out, because this point replaces them.
   */
  push(point: Point, seq: number, merged = 0): void {
    // A smaller number comes from a restarted server, so it does not follow. The same number again is a snapshot.
    const follows = seq >= this.#seq && seq <= this.#seq + 1 + merged
    this.#pending.push({ point, gap: follows ? 'no' : this.#gap })
    this.#seq = seq
    this.#gap = 'yes'
    if (!this.#isLoading) this.#drain()
  }

  /** Says that the stream was lost: there is a gap before the next point, whatever its sequence number. */
  lost(): void {
    this.#seq = Number.NaN
  }

  /** Loads older points, if there are any and none are being loaded. */
  async loadOlder(): Promise<void> {
    const [first] = this.#points
    if (first === undefined || this.#isLoading || this.#isAtStart || this.#points.length >= MAX_POINTS / 2) return
    const { signal } = this.#stopped
    this.#isAtStart = true // until older ones have come
    try {
      const older = (await this.#options.load(signal, first)).filter(({ time }) => time < first.time)
      // Meanwhile the history may have been loaded anew.
      if (signal.aborted || this.#points[0] !== first) return
      this.#points = [...older, ...this.#points]
      this.#isAtStart = older.length === 0
      if (older.length > 0) this.#options.show(this.#points)
    } catch {
      this.#isAtStart = false // the next time that the user scrolls there
    }
  }

  /** Stops: nothing is loaded and no callback is called any more. */
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
      this.#isAtStart = false
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
        next.gap = 'no' // true once the history that is loaded now has arrived
        void this.#load()
        return
      }
      this.#pending.shift()
      if (point.time < time) continue // the history is newer
      if (point.time === time) this.#points.pop()
      this.#points.push(point)
      this.#options.append(point)
      if (this.#points.length > MAX_POINTS) {
        this.#points = this.#points.slice(-MAX_POINTS / 2)
        this.#options.show(this.#points)
      }
    }
  }
}
