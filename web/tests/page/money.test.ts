import { expect, it } from 'vitest'
import { sumOf } from '../../page/money.js'

it.each([
  [['0.10', '0.20'], '0.30'],
  [['+17.69', '-10.00'], '7.69'],
  [['1000', '-2500'], '-1500'],
  [['0.00012345', '1'], '1.00012345'],
  [[], '0'],
])('the sum of %j is %s', (amounts, sum) => {
  expect(sumOf(amounts)).toBe(sum)
})
