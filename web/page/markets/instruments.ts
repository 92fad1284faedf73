import { useEffect, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import type { InstrumentsBody } from '../../src/schema.js'
import { useStore } from '../connection.js'
import { requestData } from '../requests.js'

/** The wait before the list is requested again, in milliseconds. */
const RETRY_AFTER = 2000

/**
 * Returns the server's instruments. They are requested again when the connection comes back, because a restarted server may have another feed,
 * and when the server has closed the connection for good, because the reason may be an instrument that is gone.
 */
export function useInstruments(): { instruments: readonly Instrument[] | undefined; error: string | undefined } {
  const store = useStore()
  const [instruments, setInstruments] = useState<readonly Instrument[]>()
  const [error, setError] = useState<string>()
  useEffect(() => {
    let attempt = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      attempt.abort()
      clearTimeout(timer)
      attempt = new AbortController()
      const { signal } = attempt
      try {
        const body = await requestData<InstrumentsBody>('/v1/market/instruments', { signal })
        if (signal.aborted) return
        setInstruments(body.instruments)
        setError(undefined)
        // A new list changes the topics, and so reopens the connection. With the same list, only reconnect() tries again.
        timer = setTimeout(() => {
          if (store.state.status === 'closed') store.reconnect()
        }, RETRY_AFTER)
      } catch (reason) {
        if (signal.aborted) return
        setError((reason as Error).message)
        timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    let wasLost = false
    const end = store.onState((state) => {
      const isClosed = state.status === 'closed' && state.error !== undefined
      if (isClosed || (wasLost && state.status === 'open')) void load()
      wasLost = isClosed || state.status === 'waiting' || (wasLost && state.status === 'connecting')
    })
    return () => {
      end()
      attempt.abort()
      clearTimeout(timer)
    }
  }, [store])
  return { instruments, error }
}
