import { LONGEST_TIMER } from './reconnect.js'

const EVENTS = 'visibilitychange pagehide pageshow freeze resume focus online offline'.split(' ')

/** What says whether an application is seen, as `document` does for a page: `appVisibility` of `pricewire/react-native`, for instance. */
export interface Visibility {
  readonly hidden: boolean
  /** Calls the listener with an event `visibilitychange` whenever `hidden` has changed, until the signal is aborted. */
  addEventListener(type: string, listener: (event: Event) => void, options: { readonly signal: AbortSignal }): void
}

/** The options of a {@link PageWatch}. */
export interface PageWatchOptions {
  /** How long the page may be hidden before its streams pause, in milliseconds; `Infinity` never pauses. Default 60,000. */
  readonly hiddenAfter?: number | undefined
  /** What says whether the application is seen, where that is not a page. */
  readonly visibility?: Visibility | undefined
}

/** Why a page does not need a stream now. */
export type PauseReason = 'hidden' | 'offline'

/** Watches whether a page needs streams. */
export interface PageWatch {
  /** Why streams should pause; `undefined` if they should not. */
  readonly reason: PauseReason | undefined
  /** Stops watching: nothing is called any more. */
  end(): void
}

/**
 * Watches whether the page needs streams. It needs none while it has been hidden for a while, is in the back/forward cache, frozen or offline.
 *
 * An open stream would drain a phone's battery and keep the page out of the back/forward cache. Outside of a browser this does nothing, unless
 * it is told what to watch.
 *
 * @param onChange - called when {@link PageWatch.reason} changes.
 * @param onWake - called when a page that needs streams comes back to its user or to the network: what waits to reconnect should try now.
 *
 * Source: WICG Page Lifecycle, "freeze" and "resume"; WHATWG HTML, sections 6.2 "Page visibility" and 8.9.1.3 "Browser state".
 */
export function watchPage(
  { hiddenAfter = 60_000, visibility }: PageWatchOptions,
  onChange: (reason: PauseReason | undefined) => void,
  onWake: () => void,
): PageWatch {
  const page = visibility ?? globalThis.document
  const target = visibility ?? globalThis
  const listening = new AbortController()
  let isAway = false
  let reason: PauseReason | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const judge = () => (isAway ? 'hidden' : globalThis.navigator?.onLine === false ? 'offline' : undefined)
  const settle = () => {
    const before = reason
    reason = judge()
    if (reason !== before) onChange(reason)
  }
  const watchHidden = () => {
    clearTimeout(timer)
    if (!page.hidden || hiddenAfter > LONGEST_TIMER) return
    timer = setTimeout(() => {
      isAway = true
      settle()
    }, hiddenAfter)
  }
  const look = ({ type }: Event) => {
    isAway =
      type === 'pagehide' || type === 'freeze' || (isAway && page.hidden && type !== 'pageshow' && type !== 'resume')
    if (!isAway) watchHidden()
    settle()
    if (!reason && (type === 'online' || !page.hidden)) onWake()
  }

  if (page && target.addEventListener) {
    // In the capture phase, because events of the document reach the window only there; but so would the focus of every field.
    for (const type of EVENTS)
      target.addEventListener(type, look, { signal: listening.signal, capture: type !== 'focus' })
    watchHidden()
    reason = judge()
  }
  return {
    get reason() {
      return reason
    },
    end() {
      listening.abort()
      clearTimeout(timer)
    },
  }
}
