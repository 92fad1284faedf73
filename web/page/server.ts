import { useEffect, useState } from 'react'
import {
  type ConnectionState,
  type ServerOptions,
  type SSEError,
  sharedStore,
  type TopicStore,
} from '../src/pricewire.js'
import { usePricewireState } from '../src/react.js'
import type { StreamEndCode } from '../src/stream_end.js'
import { endSession, useSession } from './account/session.js'
import { tap } from './inspector/wire_tap.js'

/**
 * The page is left open for days: it never gives up, and looks often enough that a restarted server is back within seconds. It has a connection
 * of its own, because it shows what comes over it.
 */
const PUBLIC: ServerOptions = {
  reconnectAttempts: Number.POSITIVE_INFINITY,
  reconnectCeiling: 5000,
  fetch: tap.fetch,
}

let ofToken: ServerOptions = PUBLIC

/** Returns how the page is connected; the same object as long as the same account is logged in. */
export function useServer(): ServerOptions {
  const token = useSession().session?.token
  // One session at a time; what is kept is only the object's identity.
  if (token !== ofToken.token) ofToken = token === undefined ? PUBLIC : { ...PUBLIC, token }
  return ofToken
}

/** Returns the store that everything on the page shares. */
export function useStore(): TopicStore {
  return sharedStore(useServer())
}

/** Returns where the page's connection is. */
export function useConnection(): ConnectionState {
  return usePricewireState(useServer()).state
}

/**
 * Returns where the page's connection is, an attempt to get it back counted as the wait before it: else everything that speaks of the loss would
 * come and go with each attempt.
 */
export function useSteadyConnection(): ConnectionState {
  const state = useConnection()
  const [loss, setLoss] = useState<ConnectionState>()
  const next = state.status === 'waiting' ? state : state.status === 'connecting' ? loss : undefined
  if (next !== loss) setLoss(next)
  return next ?? state
}

/** Ends the session when the server does not take its token any more. */
export function useSessionGuard(): void {
  const store = useStore()
  const { session } = useSession()
  useEffect(() => {
    if (session === undefined) return
    return store.onError((error) => {
      if (isOfToken(error)) endSession('Your session has ended. Log in again to trade.')
    })
  }, [store, session])
}

/** The ends of a stream that are its token's. */
const TOKEN_ENDS: readonly StreamEndCode[] = ['TOKEN_EXPIRED', 'TOKEN_REVOKED']

function isOfToken({ status, code }: SSEError): boolean {
  return status === 401 || code === 'UNAUTHORIZED' || TOKEN_ENDS.some((end) => end === code)
}
