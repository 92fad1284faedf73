import { useSyncExternalStore } from 'react'

/** What the user has chosen for this browser; kept in `localStorage`. */
export interface Preferences {
  /** Whether a contract that closes plays a sound. */
  readonly sound: boolean
  /** Whether a contract that closes while the page is hidden shows a notification of the system. */
  readonly notifications: boolean
}

const KEY = 'pricewire-preferences'

const DEFAULTS: Preferences = { sound: false, notifications: false }

let preferences: Preferences = { ...DEFAULTS, ...read() }
const listeners = new Set<() => void>()

/** Returns the preferences, and the function that changes some of them. */
export function usePreferences(): [Preferences, (change: Partial<Preferences>) => void] {
  const current = useSyncExternalStore(subscribe, () => preferences)
  return [current, change]
}

function change(part: Partial<Preferences>): void {
  preferences = { ...preferences, ...part }
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // Without storage they last until the page is reloaded.
  }
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function read(): Partial<Preferences> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>
  } catch {
    return {}
  }
}
