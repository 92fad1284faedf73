import { LONGEST_TIMER } from './reconnect.js'

/** The share of the longest silence after which data may be old. If that is two heartbeats: one and a half. */
const STALE_SHARE = 0.75

/**
 * Watches for silence on a connection in two stages: first its data may be old, then the connection is dead.
 *
 * One timer compares the time of the last byte. Restarting a timer for every chunk would cost more than the chunk.
 */
export class Watchdog {
  readonly #onSilence: () => void
  readonly #onDeath: (silence: number) => void
  #longest = 0
  #heardAt = 0
  #isSilent = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param onSilence - called when {@link Watchdog.isSilent} changes.
   * @param onDeath - called when the longest silence has passed, with its length in milliseconds.
   */
  constructor(onSilence: () => void, onDeath: (silence: number) => void) {
    this.#onSilence = onSilence
    this.#onDeath = onDeath
  }

  /** Whether nothing has arrived for too long, so that data may be old. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  /** Starts to watch. `longest` is the longest silence in milliseconds; 0 for no limit. */
  watch(longest: number): void {
    this.stop()
    this.#longest = Math.min(longest, LONGEST_TIMER)
    this.#heardAt = Date.now()
    if (longest > 0) this.#wait()
  }

  /** Notes that bytes have arrived. */
  heard(): void {
    this.#heardAt = Date.now()
    this.#setSilent(false)
  }

  /** Stops watching, without calling back. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#isSilent = false
    this.#longest = 0
  }

  #wait(): void {
    const next = this.#heardAt + this.#longest * (this.#isSilent ? 1 : STALE_SHARE)
    this.#timer = setTimeout(() => {
      const silence = Date.now() - this.#heardAt
      if (silence >= this.#longest) {
        this.#onDeath(silence)
        return
      }
      if (silence >= this.#longest * STALE_SHARE) this.#setSilent(true)
      if (this.#longest > 0) this.#wait() // a listener may have stopped it
    }, next - Date.now())
  }

  #setSilent(isSilent: boolean): void {
    if (isSilent === this.#isSilent) return
    this.#isSilent = isSilent
    this.#onSilence()
  }
}
