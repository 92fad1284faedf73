import { DIGITS } from './decoder.js'

/** When and how often to reopen a lost stream. */
export interface ReconnectPolicy {
  /** The number of attempts in a row, without an event between them; `Infinity` never gives up, 0 never reconnects. Default 3. */
  readonly attempts?: number | undefined
  /**
   * The longest wait before the first attempt, in milliseconds; it doubles with each further attempt. The stream's `retry:` field replaces it.
   * Default 1000.
   */
  readonly interval?: number | undefined
  /** The longest wait between two attempts, in milliseconds, unless the server asks for more. Default 30,000. */
  readonly ceiling?: number | undefined
  /**
   * The shortest wait, in milliseconds, whatever the server asks for: with `retry: 0` a client would reconnect thousands of times a second.
   * Default 100.
   */
  readonly floor?: number | undefined
}

/** The longest wait that a server can ask for, in milliseconds: one day. */
const LONGEST_WAIT = 24 * 3_600_000

/** The longest delay of `setTimeout`, in milliseconds. A longer delay counts as 0. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** Applies a {@link ReconnectPolicy} to one connection. It is pure: time and random numbers are arguments. */
export class Reconnection {
  /** Which attempt in a row is running or scheduled; 0 for the first connection, and after an event. */
  attempt = 0
  /** The stream's last `retry:` field, in milliseconds; kept over reconnections. */
  retry: number | undefined
  /** The earliest time of the next attempt: what the floor and the server ask for, without what is added for the sake of other clients. */
  earliest = 0
  readonly #policy: ReconnectPolicy

  constructor(policy: ReconnectPolicy = {}) {
    this.#policy = policy
  }

  /** Notes that the stream has delivered an event. (An open stream proves nothing: broken proxies answer 200 and close.) */
  received(): void {
    this.attempt = 0
  }

  /**
   * Returns when to reconnect, or `undefined` to give up.
   *
   * The wait is random between the shortest and the longest one ("full jitter"), so that thousands of clients do not reconnect at the same moment
   * after a restart of the server.
   *
   * @param now - the time of the disconnection, in milliseconds of any clock; the wait counts from it.
   * @param chance - a random number, at least 0 and below 1.
   * @param retryAfter - the wait of the response's `Retry-After` header, in milliseconds.
   *
   * Source: WHATWG HTML, section 9.2.3, "reestablish the connection", steps 5 and 6.
   */
  lost(now: number, chance: number, retryAfter = 0): number | undefined {
    const { attempts = 3, interval = 1000, ceiling = 30_000, floor = 100 } = this.#policy
    if (this.attempt >= attempts) return undefined
    const shortest = Math.max(floor, Math.min(LONGEST_WAIT, Math.max(retryAfter, this.retry ?? 0)))
    // At most 60 doublings: 0 * 2 ** 1024 would be NaN.
    const longest = Math.min(ceiling, (this.retry ?? interval) * 2 ** Math.min(this.attempt++, 60))
    this.earliest = now + shortest
    return this.earliest + chance * Math.max(0, longest - shortest)
  }
}

/** Returns whether a later attempt may succeed after this status: 408, 429 and 5xx. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status <= 599)
}

/**
 * Returns the wait of a `Retry-After` header, in milliseconds; 0 if it is absent or invalid.
 *
 * Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(value: string | null, now: number): number {
  const text = `${value}`
  if (DIGITS.test(text)) return Number(text) * 1000
  return Math.max(0, Date.parse(text) - now) || 0 // NaN if it is not a date
}
