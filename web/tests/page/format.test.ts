import { expect, it } from 'vitest'
import { changeDirection, formatAge, formatCategories, formatChange, formatPrice } from '../../page/format.js'

it.each([
  [undefined, 2, '–'],
  [1234.5, 2, '1234.50'],
  [1.08415, 5, '1.08415'],
])('price %s with %i decimals is %s', (price, decimals, text) => {
  expect(formatPrice(price, decimals)).toBe(text)
})

it.each([
  [100, 101.5, '+1.50 %', 'up'],
  [100, 99.5, '−0.500 %', 'down'],
  [100, 100.0001, '0.000 %', ''],
  [100, 99.9999, '0.000 %', ''],
  [undefined, 1, '–', ''],
  [0, 1, '–', ''],
])('from %s to %s is %s', (from, to, text, direction) => {
  expect(formatChange(from, to)).toBe(text)
  expect(changeDirection(from, to)).toBe(direction)
})

it.each([
  [-5, '0 s'],
  [14_400, '14 s'],
  [600_000, '10 min'],
  [7_200_000, '2 h'],
  [200_000_000, '2 d'],
])('%i ms are %s', (milliseconds, text) => {
  expect(formatAge(milliseconds)).toBe(text)
})

it('makes a heading of categories', () => {
  expect(formatCategories(['synthetic', 'volatility'])).toBe('Synthetic · Volatility')
  expect(formatCategories([])).toBe('Other')
})
