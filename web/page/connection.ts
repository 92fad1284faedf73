import { useState } from 'react'
import { type ConnectionState, type ServerOptions, sharedStore, type TopicStore } from '../src/pricewire.js'
import { usePricewireState } from '../src/react.js'
import { useSession } from './account/session.js'
import { tap } from './inspector/wire_tap.js'

/**
 * The page may stay open for days, so it never gives up, and it tries often enough to be back within seconds after a restart of the server. It
 * does not share its connection with other tabs, because it shows the events of its own connection.
 */
const PUBLIC: ServerOptions = {
  reconnectAttempts: Number.POSITIVE_INFINITY,
  reconnectCeiling: 5000,
  fetch: tap.fetch,
}

let current: ServerOptions = PUBLIC

/** Returns the options of the page's connection; the same object as long as the same account is logged in. */
export function useServer(): ServerOptions {
  const token = useSession().session?.token
  // There is one session at a time, so a module variable can keep the object.
  if (token !== current.token) current = token === undefined ? PUBLIC : { ...PUBLIC, token }
  return current
}

/** Returns the store that the whole page shares. */
export function useStore(): TopicStore {
  return sharedStore(useServer())
}

/** Returns the state of the page's connection. */
export function useConnection(): ConnectionState {
  return usePricewireState(useServer()).state
}

/**
 * Returns the state of the page's connection, but `waiting` during an attempt to reconnect. Otherwise the message about the lost connection
 * would disappear and come back with every attempt.
 */
export function useSteadyConnection(): ConnectionState {
  const state = useConnection()
  const [loss, setLoss] = useState<ConnectionState>()
  const next = state.status === 'waiting' ? state : state.status === 'connecting' ? loss : undefined
  if (next !== loss) setLoss(next)
  return next ?? state
}
