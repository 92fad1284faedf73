import { useEffect } from 'react'
import type { SSEError } from '../../src/pricewire.js'
import { useStore } from '../connection.js'
import { endSession, SESSION_ENDED, useSession } from './session.js'

/** Ends the session when the server no longer accepts its token. */
export function useSessionGuard(): void {
  const store = useStore()
  const { session } = useSession()
  useEffect(() => {
    if (session === undefined) return
    return store.onError((error) => {
      if (isAboutToken(error)) endSession(SESSION_ENDED)
    })
  }, [store, session])
}

function isAboutToken({ status, code }: SSEError): boolean {
  return status === 401 || code === 'UNAUTHORIZED' || code === 'TOKEN_EXPIRED' || code === 'TOKEN_REVOKED'
}
