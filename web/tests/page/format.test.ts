import { expect, it } from 'vitest'
import {
  changeDirection,
  formatAge,
  formatBytes,
  formatCategories,
  formatChange,
  formatMoney,
  formatOpening,
  formatPrice,
  formatProfit,
  formatTime,
  profitDirection,
} from '../../page/format.js'

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
  expect(formatCategories(['Synthetic Index', 'Volatility'])).toBe('Synthetic Index · Volatility')
  expect(formatCategories([])).toBe('Other')
})

it.each([
  ['9980.00', '9,980.00'],
  ['1234567.89', '1,234,567.89'],
  ['-1234.50', '−1,234.50'],
  ['0.00000001', '0.00000001'],
  [5000, '5,000'],
])('an amount of %s is %s', (amount, text) => {
  expect(formatMoney(amount)).toBe(text)
  expect(formatMoney(amount, 'USD')).toBe(`${text} USD`)
})

it.each([
  ['2.50', '+2.50', 'up'],
  ['+1234.57', '+1,234.57', 'up'],
  ['+0.00', '0.00', ''],
  ['-2.50', '−2.50', 'down'],
  ['0.00', '0.00', ''],
])('a profit of %s is %s', (amount, text, direction) => {
  expect(formatProfit(amount)).toBe(text)
  expect(profitDirection(amount)).toBe(direction)
})

it.each([
  [999, '999 B'],
  [2700, '2.7 kB'],
  [1_500_000, '1.5 MB'],
])('%i bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

it.each([
  [Date.UTC(2026, 0, 31, 23, 5, 7), '23:05:07'],
  [Date.UTC(2026, 0, 30, 1, 2, 3), '30 Jan 01:02:03'],
])('%i is, on the last of January, %s', (time, text) => {
  expect(formatTime(time, Date.UTC(2026, 0, 31, 0, 0, 1), 'utc')).toBe(text)
})

it('a closed market opens at a time in UTC, where that is known', () => {
  expect(formatOpening('2026-11-30T08:00:00Z')).toBe('Mon 08:00')
  expect(formatOpening(null)).toBeUndefined()
})
