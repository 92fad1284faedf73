import { useSyncExternalStore } from 'react'
import type { Range } from './chart/ranges.js'
import type { Timeframe } from './chart/timeframes.js'

/** What the user has chosen for this browser; kept in `localStorage`. */
export interface Preferences {
  /** Whether a contract that closes plays a sound. */
  readonly sound: boolean
  /** Whether a contract that closes while the page is hidden shows a notification of the system. */
  readonly notifications: boolean
  /** The ids of the instruments that come first. */
  readonly favourites: readonly string[]
  /** The ids of the instruments that were chosen last, the newest first. */
  readonly recents: readonly string[]
  readonly sorting: Sorting
  /** Whether the hints for a first visit have been dismissed. */
  readonly hasSeenHints: boolean
  /** Whether times are shown in UTC or in the time zone of the browser. */
  readonly zone: Zone
  readonly language: LanguageChoice
  readonly density: Density
  readonly chartStyle: ChartStyle
  /** By how much a payout may have fallen when the order arrives, as a part of it. */
  readonly tolerance: number
  /** What the chart showed last, for addresses that do not say it. */
  readonly view: { readonly timeframe: Timeframe; readonly range?: Range | undefined }
  readonly indicators: readonly Indicator[]
}

/** The time zone of the times that are shown. */
export type Zone = 'utc' | 'local'

/** The language of the page; `system`: that of the browser, or English where the page does not speak it. */
export type LanguageChoice = 'system' | 'en' | 'de'

/** How much room lists and forms take. */
export type Density = 'comfortable' | 'compact'

/** How candles are drawn. Single ticks are always drawn as an area. */
export type ChartStyle = 'candles' | 'bars' | 'area'

/** What is computed from the prices and drawn with them. */
export type Indicator = 'average' | 'bollinger' | 'rsi'

/** The order of the instruments: by category as the server lists them, by name, or by the change of the day, the greatest first. */
export type Sorting = 'category' | 'name' | 'change'

const KEY = 'pricewire-preferences'

const DEFAULTS: Preferences = {
  sound: false,
  notifications: false,
  favourites: [],
  recents: [],
  sorting: 'category',
  hasSeenHints: false,
  zone: 'utc',
  language: 'system',
  density: 'comfortable',
  chartStyle: 'candles',
  tolerance: 0.05,
  view: { timeframe: '1m' },
  indicators: [],
}

let preferences: Preferences = { ...DEFAULTS, ...read() }
const listeners = new Set<() => void>()

/** Returns the preferences, and the function that changes some of them. */
export function usePreferences(): [Preferences, typeof changePreferences] {
  const current = useSyncExternalStore(subscribePreferences, currentPreferences)
  return [current, changePreferences]
}

/** Returns the preferences as they are now. */
export function currentPreferences(): Preferences {
  return preferences
}

/** Remembers an instrument as the one that was chosen last. */
export function rememberInstrument(id: string): void {
  changePreferences({ recents: [id, ...preferences.recents.filter((each) => each !== id)].slice(0, 8) })
}

/** Changes some of the preferences. */
export function changePreferences(part: Partial<Preferences>): void {
  // What another tab has changed meanwhile stays.
  preferences = { ...preferences, ...read(), ...part }
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // Without storage they last until the page is reloaded.
  }
  for (const listener of listeners) listener()
}

/** Calls a function when the preferences change, also in another tab; returns the function that ends this. */
export function subscribePreferences(listener: () => void): () => void {
  if (listeners.size === 0) addEventListener('storage', readAnew)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) removeEventListener('storage', readAnew)
  }
}

/** Takes over what another tab has changed. */
function readAnew({ key }: StorageEvent): void {
  if (key !== KEY) return
  preferences = { ...preferences, ...read() }
  for (const listener of listeners) listener()
}

function read(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
  } catch {
    return {}
  }
}
