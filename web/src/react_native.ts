/**
 * What React Native and Expo need besides: a `fetch` that streams, and the application's state in place of a page's visibility.
 *
 * @packageDocumentation
 */

import type { Visibility } from './lifecycle.js'
import { xhrFetch } from './xhr_fetch.js'

export type { Visibility } from './lifecycle.js'
export { xhrFetch } from './xhr_fetch.js'

/** React Native's `AppState`, as far as it is used. */
export interface AppStateLike {
  /** `background` while the application is not seen. */
  readonly currentState: string | null
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
}

/** A `fetch`, whatever its types say: that of `expo/fetch` has types of its own. */
export type StreamingFetch = (...request: never[]) => Promise<unknown>

/** Options for connections, stores and hooks; see {@link reactNative}. */
export interface NativeOptions {
  readonly fetch: typeof fetch | undefined
  readonly visibility: Visibility
}

/**
 * Returns the options by which connections, stores and hooks work in React Native. Call it once, and give all of them the same.
 *
 * Defines the global `MessageEvent` where there is none.
 *
 * @param appState - React Native's `AppState`: streams pause when the application has been in the background for a while (`hiddenAfter`).
 * @param streamingFetch - a `fetch` that streams, such as that of `expo/fetch`. Default: the global one if it streams, or {@link xhrFetch}.
 *
 * @example
 * ```ts
 * import { AppState } from 'react-native'
 * import { createSSEConnection } from 'pricewire'
 * import { reactNative } from 'pricewire/react-native'
 *
 * const close = createSSEConnection({
 *   ...reactNative(AppState),
 *   baseUrl: 'https://prices.example',
 *   params: { topic: ['ticks:R_100'] },
 *   onMessage: ({ data }) => console.log(data),
 * })
 * ```
 */
export function reactNative(appState: AppStateLike, streamingFetch?: StreamingFetch): NativeOptions {
  globalThis.MessageEvent ??= makeMessageEvent()
  const given = streamingFetch as typeof fetch | undefined
  return { fetch: given ?? (streams() ? undefined : xhrFetch), visibility: visibilityOf(appState) }
}

/** Whether the global `fetch` streams. That of React Native is a polyfill, which says so, and waits for the whole response. */
function streams(): boolean {
  return typeof globalThis.fetch === 'function' && !('polyfill' in globalThis.fetch)
}

function visibilityOf(appState: AppStateLike): Visibility {
  return {
    get hidden() {
      return appState.currentState === 'background'
    },
    addEventListener(type, listener, { signal }) {
      if (type !== 'visibilitychange') return
      const subscription = appState.addEventListener('change', () => listener(new Event(type)))
      signal.addEventListener('abort', () => subscription.remove())
    },
  }
}

/** Returns a class of events with data: for engines that have events, but not these. */
function makeMessageEvent(): typeof MessageEvent {
  class NativeMessageEvent extends Event {
    readonly data: unknown
    readonly origin: string
    readonly lastEventId: string

    constructor(type: string, { data = null, origin = '', lastEventId = '' }: MessageEventInit = {}) {
      super(type)
      this.data = data
      this.origin = origin
      this.lastEventId = lastEventId
    }
  }
  return NativeMessageEvent as unknown as typeof MessageEvent
}
