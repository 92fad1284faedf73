import { expect, it } from 'vitest'
import { bollinger, movingAverage, relativeStrength } from '../../../page/chart/indicators.js'

it('averages the last values', () => {
  expect(movingAverage([1, 2, 3, 4, 8], 3)).toEqual([undefined, undefined, 2, 3, 5])
})

it('puts the bands at standard deviations from the average', () => {
  const [, , , fourth] = bollinger([2, 4, 4, 6], 4, 2)
  expect(fourth?.middle).toBe(4)
  expect(fourth?.upper).toBeCloseTo(4 + 2 * Math.sqrt(2))
  expect(fourth?.lower).toBeCloseTo(4 - 2 * Math.sqrt(2))
  expect(bollinger([1, 1], 2, 2)[1]).toEqual({ middle: 1, upper: 1, lower: 1 })
})

it('measures the strength of gains beside losses, smoothed as Wilder does', () => {
  // Gains 1, 1, 0 and losses 0, 0, 1 over three changes; then a gain of 2: (2/3 * 2 + 2) / 3 and (1/3 * 2) / 3.
  const [first, , third, fourth, fifth] = relativeStrength([10, 11, 12, 11, 13], 3)
  expect([first, third]).toEqual([undefined, undefined])
  expect(fourth).toBeCloseTo(100 * (2 / 3))
  const [gain, loss] = [((2 / 3) * 2 + 2) / 3, ((1 / 3) * 2) / 3]
  expect(fifth).toBeCloseTo((100 * gain) / (gain + loss))
})

it('is in the middle where nothing moves, and at the ends where all goes one way', () => {
  expect(relativeStrength([5, 5, 5, 5], 3)[3]).toBe(50)
  expect(relativeStrength([1, 2, 3, 4], 3)[3]).toBe(100)
  expect(relativeStrength([4, 3, 2, 1], 3)[3]).toBe(0)
})
