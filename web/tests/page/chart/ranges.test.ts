import { expect, it } from 'vitest'
import { startOf, timeframeOfAll } from '../../../page/chart/ranges.js'

/** Minutes up to and with the one that begins at 9000 s. */
const minutes = (count: number) =>
  Array.from({ length: count }, (_, place) => ({ time: 9000 - 60 * (count - 1 - place) }))

it('begins so far before the end of the newest bar', () => {
  expect(startOf(minutes(150), '1h', 60)).toEqual({ first: 90, isWhole: true })
  expect(startOf(minutes(60), '1h', 60)).toEqual({ first: 0, isWhole: true })
})

it('says where the history is shorter than the range', () => {
  expect(startOf(minutes(59), '1h', 60)).toEqual({ first: 0, isWhole: false })
  expect(startOf(minutes(59), 'all', 60)).toEqual({ first: 0, isWhole: false })
  expect(startOf([], '1h', 60)).toEqual({ first: 0, isWhole: false })
})

it('counts time, not bars: minutes without a price have none', () => {
  const gap = [{ time: 0 }, { time: 60 }, { time: 8940 }, { time: 9000 }]
  expect(startOf(gap, '1h', 60)).toEqual({ first: 2, isWhole: true })
})

it.each([
  [1, '15m'],
  [8, '1h'],
  [30, '4h'],
  [400, '1d'],
])('shows a history of %i days in candles of %s', (days, timeframe) => {
  expect(timeframeOfAll(days)).toBe(timeframe)
})
