import { expect, it } from 'vitest'
import { dayOf, withPrice } from '../../../page/markets/day.js'

const HOUR = 3600
const MIDNIGHT = 20_000 * 24 * HOUR

/** Returns a candle of an hour, counted from midnight. */
function candle(hour: number, [open, high, low, close]: readonly [number, number, number, number]) {
  const at = 1000 * (MIDNIGHT + hour * HOUR)
  return {
    instrument_id: 'R_100',
    granularity: HOUR,
    open_epoch_ms: `${at}`,
    close_epoch_ms: `${at + 1000 * HOUR}`,
    open: `${open}`,
    high: `${high}`,
    low: `${low}`,
    close: `${close}`,
  }
}

const CANDLES = [candle(-1, [9, 20, 1, 10]), candle(0, [10, 12, 9, 11]), candle(1, [11, 13, 10, 12])]

it('begins at midnight in UTC, and shows the hours before', () => {
  const day = dayOf(CANDLES, MIDNIGHT + 1.5 * HOUR)
  expect(day).toEqual({ open: 10, high: 13, low: 9, closes: [10, 11, 12] })
})

it('is unknown without a price of today', () => {
  expect(dayOf(CANDLES, MIDNIGHT + 25 * HOUR)).toBeUndefined()
  expect(dayOf([], MIDNIGHT)).toBeUndefined()
})

it('goes on with each price', () => {
  const day = { open: 10, high: 13, low: 9, closes: [10, 11, 12] }
  expect(withPrice(day, 14)).toEqual({ open: 10, high: 14, low: 9, closes: [10, 11, 14] })
  expect(withPrice(day, 8)).toEqual({ open: 10, high: 13, low: 8, closes: [10, 11, 8] })
})
