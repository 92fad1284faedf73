import { expect, it } from 'vitest'
import { widen } from '../../../page/chart/price_scale.js'

const range = { minValue: 100, maxValue: 110 }

it.each([
  ['nothing', [], 100, 110],
  ['a line inside', [105], 100, 110],
  ['a line above', [113], 100, 113],
  ['lines on both sides', [113, 98], 98, 113],
  ['a line that is too far away', [121], 100, 110],
  ['the nearer of two that are too much together', [118, 95], 95, 110],
])('%s', (_, lines, minValue, maxValue) => {
  expect(widen(range, lines)).toEqual({ minValue, maxValue })
})
