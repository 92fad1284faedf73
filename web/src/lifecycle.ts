import { LONGEST_TIMER } from './reconnect.js'

/** Why a page does not need a stream now. */
export type PauseReason = 'hidden' | 'offline'

/** How long a page may be hidden before its streams pause by default, in milliseconds. */
export const HIDDEN_AFTER = 60_000

/**
 * Watches whether the page needs streams. It needs none while it has been hidden for a while, is in the back/forward cache, frozen or offline.
 *
 * An open stream would drain a phone's battery and keep the page out of the back/forward cache. Outside of a browser this does nothing.
 *
 * Source: WICG Page Lifecycle, "freeze" and "resume"; WHATWG HTML, sections 6.2 "Page visibility" and 8.9.1.3 "Browser state".
 */
export class PageWatch {
  readonly #hiddenAfter: number
  readonly #onChange: (reason: PauseReason | undefined) => void
  readonly #listening = new AbortController()
  #isAway = false
  #reason: PauseReason | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param hiddenAfter - how long the page may be hidden, in milliseconds; `Infinity` for any time.
   * @param onChange - called when {@link PageWatch.reason} changes.
   */
  constructor(hiddenAfter: number, onChange: (reason: PauseReason | undefined) => void) {
    this.#hiddenAfter = hiddenAfter
    this.#onChange = onChange
    if (typeof document === 'undefined' || typeof addEventListener === 'undefined') return
    // In the capture phase, because events of the document reach the window only there.
    const options = { signal: this.#listening.signal, capture: true }
    for (const type of ['visibilitychange', 'freeze', 'resume', 'pagehide', 'pageshow', 'online', 'offline']) {
      addEventListener(type, this.#look, options)
    }
    this.#watchHidden()
    this.#reason = this.#judge()
  }

  /** Why streams should pause; `undefined` if they should not. */
  get reason(): PauseReason | undefined {
    return this.#reason
  }

  /** Stops watching: `onChange` is not called any more. */
  end(): void {
    this.#listening.abort()
    clearTimeout(this.#timer)
  }

  readonly #look = ({ type }: Event): void => {
    if (type === 'pagehide' || type === 'freeze') this.#isAway = true
    else if (type === 'pageshow' || type === 'resume' || !document.hidden) this.#isAway = false
    if (!this.#isAway) this.#watchHidden()
    this.#settle()
  }

  #watchHidden(): void {
    clearTimeout(this.#timer)
    if (!document.hidden || this.#hiddenAfter > LONGEST_TIMER) return
    this.#timer = setTimeout(() => {
      this.#isAway = true
      this.#settle()
    }, this.#hiddenAfter)
  }

  #judge(): PauseReason | undefined {
    if (this.#isAway) return 'hidden'
    return navigator.onLine === false ? 'offline' : undefined
  }

  #settle(): void {
    const reason = this.#judge()
    if (reason === this.#reason) return
    this.#reason = reason
    this.#onChange(reason)
  }
}
