import { useEffect } from 'react'
import type { SSEError } from '../../src/pricewire.js'
import type { StreamEndCode } from '../../src/stream_end.js'
import { useStore } from '../connection.js'
import { endSession, useSession } from './session.js'

/** Ends the session when the server no longer accepts its token. */
export function useSessionGuard(): void {
  const store = useStore()
  const { session } = useSession()
  useEffect(() => {
    if (session === undefined) return
    return store.onError((error) => {
      if (isAboutToken(error)) endSession('refused')
    })
  }, [store, session])
}

/** The ends of a stream that are about its token. */
const TOKEN_ENDS: readonly StreamEndCode[] = ['TOKEN_EXPIRED', 'TOKEN_REVOKED']

function isAboutToken({ status, code }: SSEError): boolean {
  return status === 401 || code === 'UNAUTHORIZED' || TOKEN_ENDS.some((end) => end === code)
}
