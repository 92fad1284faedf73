import { useEffect, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import type { InstrumentsBody } from '../../src/schema.js'
import { useStore } from '../connection.js'
import { requestData } from '../requests.js'

/** The wait before the list is requested again, in milliseconds. */
const RETRY_AFTER = 2000

/** The wait before it is requested again while a market is closed, in milliseconds: it is for a moment after the server's start. */
const CLOSED_AFTER = 5000

/** The same where markets open and close by their hours only. */
const HOURS_AFTER = 60_000

/**
 * Returns the server's instruments. They are requested again when the connection comes back, because a restarted server may have another feed,
 * and when the server has closed the connection for good, because the reason may be an instrument that is gone. And now and then while that may
 * change whether a market is open.
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
        setInstruments((before) =>
          JSON.stringify(before) === JSON.stringify(body.instruments) ? before : body.instruments,
        )
        setError(undefined)
        // A new list changes the topics, and so reopens the connection. With the same list, only reconnect() tries again.
        timer = setTimeout(() => {
          if (store.state.status === 'closed') store.reconnect()
          const wait = waitOf(body.instruments)
          if (wait !== undefined) timer = setTimeout(load, wait - RETRY_AFTER)
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

/** Returns when to ask again whether the markets are open, in milliseconds; undefined where all are, around the clock. */
export function waitOf(instruments: readonly Instrument[]): number | undefined {
  if (instruments.some((each) => !each.is_market_open && !(Date.parse(each.opens_at ?? '') > Date.now())))
    return CLOSED_AFTER
  return instruments.some((each) => each.closes_at !== null) ? HOURS_AFTER : undefined
}
