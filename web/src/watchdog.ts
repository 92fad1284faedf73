import { LONGEST_TIMER } from './reconnect.js'

/** The share of the longest silence after which data may be old. If that is two heartbeats: one and a half. */
const STALE_SHARE = 0.75

/** Watches for silence on a connection. */
export interface Watchdog {
  /** Whether nothing has arrived for too long, so that data may be old. */
  readonly isSilent: boolean
  /** Starts to watch. `longest` is the longest silence in milliseconds; 0 for no limit. */
  watch(longest: number): void
  /** Notes that bytes have arrived. */
  heard(): void
  /** Stops watching, without calling back. */
  stop(): void
}

/**
 * Watches for silence on a connection in two stages: first its data may be old, then the connection is dead.
 *
 * One timer compares the time of the last byte. Restarting a timer for every chunk would cost more than the chunk.
 *
 * @param onSilence - called when {@link Watchdog.isSilent} changes.
 * @param onDeath - called when the longest silence has passed, with its length in milliseconds.
 */
export function makeWatchdog(onSilence: () => void, onDeath: (silence: number) => void): Watchdog {
  let longest = 0
  let heardAt = 0
  let isSilent = false
  let timer: ReturnType<typeof setTimeout> | undefined

  const setSilent = (value: boolean) => {
    if (value === isSilent) return
    isSilent = value
    onSilence()
  }
  const wait = () => {
    const next = heardAt + longest * (isSilent ? 1 : STALE_SHARE)
    timer = setTimeout(() => {
      const silence = Date.now() - heardAt
      if (silence >= longest) {
        onDeath(silence)
        return
      }
      if (silence >= longest * STALE_SHARE) setSilent(true)
      if (longest > 0) wait() // a listener may have stopped it
    }, next - Date.now())
  }
  const stop = () => {
    clearTimeout(timer)
    isSilent = false
    longest = 0
  }
  return {
    get isSilent() {
      return isSilent
    },
    watch(most) {
      stop()
      longest = Math.min(most, LONGEST_TIMER)
      heardAt = Date.now()
      if (most > 0) wait()
    },
    heard() {
      heardAt = Date.now()
      setSilent(false)
    },
    stop,
  }
}
