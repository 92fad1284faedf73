import { useEffect } from 'react'
import { useStore } from '../connection.js'
import { delays } from './delays.js'

/** Measures the delay of an instrument's prices, including prices that are never rendered. */
export function useDelays(id: string): void {
  const store = useStore()
  useEffect(() => {
    // The first price on a new connection is the current one, which may be seconds old. Only later prices arrive when they are made.
    let lastSent = Number.NaN
    const ends = [
      store.subscribe(`ticks:${id}`, ({ envelope, isStale, error }) => {
        if (envelope?.event !== 'tick' || isStale || error !== undefined) return
        const sent = Number(envelope.data.epoch_ms)
        if (sent > lastSent) delays.add(sent, Date.now())
        lastSent = sent
      }),
      store.onState(({ status }) => {
        if (status !== 'open') lastSent = Number.NaN
      }),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [store, id])
}
