import { LONGEST_TIMER } from './reconnect.js'

/** How much of the bearable silence makes what was received doubtful. Of two heartbeats: one, and half of one for the way. */
const STALE_SHARE = 0.75

/**
 * Watches over a connection's silence in two stages: at first what was received may be old, then the connection is dead.
 *
 * One timer looks at the time of the last byte now and then; to set one anew for every chunk would cost more than the chunk.
 */
export class Watchdog {
  readonly #onSilence: () => void
  readonly #onDeath: (silence: number) => void
  #bearable = 0
  #heardAt = 0
  #isSilent = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param onSilence - told whenever {@link Watchdog.isSilent} changes.
   * @param onDeath - told once the silence has become unbearable, with its length in milliseconds.
   */
  constructor(onSilence: () => void, onDeath: (silence: number) => void) {
    this.#onSilence = onSilence
    this.#onDeath = onDeath
  }

  /** Whether nothing has come for longer than it should. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  /** Watches from now on; `bearable` is the longest silence in milliseconds, 0 for any. */
  watch(bearable: number): void {
    this.stop()
    this.#bearable = Math.min(bearable, LONGEST_TIMER)
    this.#heardAt = Date.now()
    if (bearable > 0) this.#wait()
  }

  /** Something came: any byte is a sign of life. */
  heard(): void {
    this.#heardAt = Date.now()
    this.#setSilent(false)
  }

  /** Ends the watch, in silence. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#isSilent = false
    this.#bearable = 0
  }

  #wait(): void {
    const next = this.#heardAt + this.#bearable * (this.#isSilent ? 1 : STALE_SHARE)
    this.#timer = setTimeout(() => {
      const silence = Date.now() - this.#heardAt
      if (silence >= this.#bearable) {
        this.#onDeath(silence)
        return
      }
      if (silence >= this.#bearable * STALE_SHARE) this.#setSilent(true)
      if (this.#bearable > 0) this.#wait() // a listener may have stopped it
    }, next - Date.now())
  }

  #setSilent(isSilent: boolean): void {
    if (isSilent === this.#isSilent) return
    this.#isSilent = isSilent
    this.#onSilence()
  }
}
