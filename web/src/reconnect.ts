/** When, and how often in a row, a lost stream is opened again. */
export interface ReconnectPolicy {
  /** Attempts in a row, without an event between, before giving up; `Infinity` never does, 0 makes none. Default 3. */
  readonly attempts?: number | undefined
  /**
   * The longest wait before the first attempt, in milliseconds; it doubles with each further one. A stream's `retry:` takes its place. Default 1000.
   */
  readonly interval?: number | undefined
  /** What that grows to, in milliseconds, unless the server asks for more. Default 30,000. */
  readonly ceiling?: number | undefined
  /**
   * The shortest wait, in milliseconds, whatever the server asks for: on `retry: 0` a client would come back thousands of times a second. Default 100.
   */
  readonly floor?: number | undefined
}

/** The longest wait that a server can ask for, in milliseconds: a day. */
const LONGEST_WAIT = 24 * 3_600_000

/** The longest time that `setTimeout` can count, in milliseconds; it takes more for none at all. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** Counts the attempts of one connection by a {@link ReconnectPolicy}. It knows no clock and no chance: both are given to it. */
export class Reconnection {
  /** Which attempt in a row is under way or due; 0 for the first connection, and after an event. */
  attempt = 0
  /** What the stream's newest `retry:` field said, in milliseconds; it outlives connections. */
  retry: number | undefined
  readonly #policy: ReconnectPolicy

  constructor(policy: ReconnectPolicy = {}) {
    this.#policy = policy
  }

  /** The stream has delivered an event. (That it opened proves nothing: many a broken proxy answers 200 and closes.) */
  received(): void {
    this.attempt = 0
  }

  /**
   * Returns when to connect again, or `undefined` where it is time to give up.
   *
   * The wait is drawn evenly from what lies between the least and the longest ("full jitter"), so that the thousands of clients that a restart
   * cut off do not come back at the same moment.
   *
   * @param now - the moment of the disconnection; the wait counts from it, in milliseconds of any clock.
   * @param chance - a random number, at least 0 and below 1.
   * @param retryAfter - what the response's `Retry-After` asks for, in milliseconds.
   *
   * Source: WHATWG HTML, section 9.2.3, "reestablish the connection", steps 5 and 6.
   */
  lost(now: number, chance: number, retryAfter = 0): number | undefined {
    const { attempts = 3, interval = 1000, ceiling = 30_000, floor = 100 } = this.#policy
    if (this.attempt >= attempts) return undefined
    const least = Math.max(floor, Math.min(LONGEST_WAIT, Math.max(retryAfter, this.retry ?? 0)))
    // No more doublings than that: 0 * 2 ** 1024 would be NaN.
    const longest = Math.min(ceiling, (this.retry ?? interval) * 2 ** Math.min(this.attempt++, 60))
    return now + least + chance * Math.max(0, longest - least)
  }
}

/** Whether a status says that coming back later may help: 408, 429, and the server's own failures. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599)
}

/**
 * Returns the wait that a `Retry-After` header asks for, in milliseconds; 0 where it is absent or not understood.
 *
 * Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(value: string | null, now: number): number {
  if (value === null) return 0
  if (/^[0-9]+$/.test(value)) return Number(value) * 1000
  return Math.max(0, Date.parse(value) - now) || 0 // NaN for what is no date
}
