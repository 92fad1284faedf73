import { useEffect, useSyncExternalStore } from 'react'
import type { ConnectionState } from '../../src/pricewire.js'
import { useStore } from '../connection.js'
import { reasonOf } from '../error_text.js'
import { texts } from '../texts/language.js'

/** A change of the connection's state. */
export interface LogEntry {
  /** 1 for the first entry, and one more for each that follows. */
  readonly number: number
  /** When, in milliseconds since 1970. */
  readonly at: number
  readonly state: ConnectionState
}

/** The most entries that are kept; the oldest are dropped first. */
const MAX_ENTRIES = 100

let entries: readonly LogEntry[] = []
const listeners = new Set<() => void>()

/** Writes the changes of the page's connection to the log. */
export function useConnectionLog(): void {
  const store = useStore()
  useEffect(() => {
    let before = ''
    return store.onState((state) => {
      const text = describeState(state)
      if (text === before) return
      before = text
      entries = [...entries, { number: (entries.at(-1)?.number ?? 0) + 1, at: Date.now(), state }].slice(-MAX_ENTRIES)
      for (const listener of listeners) listener()
    })
  }, [store])
}

/** Returns the changes of the page's connection since it was opened, oldest first. */
export function useLogEntries(): readonly LogEntry[] {
  return useSyncExternalStore(subscribe, () => entries)
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Returns a state of the connection in a few words, with the error if there is one. */
export function describeState(state: ConnectionState): string {
  const { states } = texts.inspector
  switch (state.status) {
    case 'connecting':
      return states.connecting
    case 'open':
      return state.isSilent ? states.silent : states.open
    case 'waiting':
      return states.waiting(state.attempt, reasonOf(state.error))
    case 'paused':
      return states[state.reason]
    case 'closed':
      return state.error === undefined ? states.closed : states.closedBecause(reasonOf(state.error))
  }
}
