import { useEffect, useState } from 'react'
import type { CandleBody } from '../../src/schema.js'
import { fetchCandles } from '../chart/history.js'
import { serverTime } from '../clock.js'

const HOUR = 3600
const DAY = 24 * HOUR

/** The wait before the candles are requested again: after an error and, when an hour has passed, after that; in milliseconds. */
const RETRY_AFTER = 5000

/** An instrument's day in UTC so far. */
export interface Day {
  readonly open: number
  readonly high: number
  readonly low: number
  /** The prices at the ends of the last hours, oldest first: 24 at most. */
  readonly closes: readonly number[]
}

/**
 * Returns an instrument's day from the candles of its last 24 hours; undefined if there are none of today.
 *
 * @param now - in seconds since 1970.
 */
export function dayOf(candles: readonly CandleBody[], now: number): Day | undefined {
  const midnight = now - (now % DAY)
  const today = candles.filter(({ open_epoch_ms }) => Number(open_epoch_ms) / 1000 >= midnight)
  const [first] = today
  if (first === undefined) return undefined
  return {
    open: Number(first.open),
    high: Math.max(...today.map(({ high }) => Number(high))),
    low: Math.min(...today.map(({ low }) => Number(low))),
    closes: candles.map(({ close }) => Number(close)),
  }
}

/** Returns a day with a newer price. */
export function withPrice(day: Day, price: number): Day {
  const closes = [...day.closes.slice(0, -1), price]
  return { ...day, high: Math.max(day.high, price), low: Math.min(day.low, price), closes }
}

/**
 * Returns an instrument's day; undefined while it loads. It is loaded again every hour; in between, the newest price goes on from it.
 *
 * @param isWanted - whether anybody sees it: nothing is requested for rows that are not in view.
 * @param price - the newest price.
 */
export function useDay(id: string, isWanted: boolean, price: number | undefined): Day | undefined {
  const [day, setDay] = useState<Day>()
  useEffect(() => {
    if (!isWanted) return
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      let wait = RETRY_AFTER
      try {
        const candles = await fetchCandles(id, HOUR, 24, leaving.signal)
        const now = serverTime(Date.now()) / 1000
        setDay(dayOf(candles, now))
        wait = 1000 * (HOUR - (now % HOUR)) + RETRY_AFTER
      } catch {
        if (leaving.signal.aborted) return
      }
      timer = setTimeout(load, wait)
    }
    void load()
    return () => {
      leaving.abort()
      clearTimeout(timer)
    }
  }, [id, isWanted])
  if (day !== undefined && price !== undefined && (price > day.high || price < day.low)) setDay(withPrice(day, price))
  return day && price !== undefined ? withPrice(day, price) : day
}
