import { expect, it } from 'vitest'
import { formatLeft, formatWinRate, progressOf, totalProfit } from '../../../page/account/contracts.js'
import { outcomeOf } from '../../../page/account/outcome.js'
import { contract } from '../fixtures.js'

it.each([
  [0, '0:00'],
  [1, '0:01'],
  [42_000, '0:42'],
  [3_723_000, '1:02:03'],
  [273_600_000, '3 d 4 h'],
])('%i ms left are %s', (left, text) => {
  expect(formatLeft(left)).toBe(text)
})

it('counts time down to the expiry, and not below', () => {
  expect(progressOf(contract('a'), 45_000)).toEqual({ text: '0:15', share: 0.75 })
  expect(progressOf(contract('a'), 61_000)).toEqual({ text: '0:00', share: 1 })
})

it('counts the ticks after the entry', () => {
  const details = { duration: 5, duration_unit: 'ticks', entry_tick_time: 2000, contract_expiry_time: 12_000 } as const
  const at = (epoch_ms: number) => ({ ...details, tick_stream: [{ ask: '1', bid: '1', price: '1', epoch_ms }] })
  expect(progressOf(contract('a', { ...details, entry_tick_time: null }), 0).text).toBe('5 of 5 ticks')
  expect(progressOf(contract('a', at(2000)), 0)).toEqual({ text: '5 of 5 ticks', share: 0 })
  expect(progressOf(contract('a', at(8000)), 0)).toEqual({ text: '2 of 5 ticks', share: 0.6 })
  expect(progressOf(contract('a', at(99_000)), 0)).toEqual({ text: '0 of 5 ticks', share: 1 })
})

it('sums what open contracts have gained', () => {
  expect(totalProfit([contract('a'), contract('b', { profit_loss: '2.50' })])).toBeCloseTo(2.2)
  expect(totalProfit([])).toBe(0)
})

it.each([
  ['sold', { is_sold: true, bid_price: '12.00' }],
  ['won', { bid_price: '19.53', exit_spot: '1001.00' }],
  ['lost', { bid_price: '0.00', exit_spot: '999.00' }],
  ['refunded', { bid_price: '10.00', is_refunded: true }],
])('a closed contract is %s', (outcome, details) => {
  expect(outcomeOf(contract('a', details))).toBe(outcome)
})

it('counts what has won of what was neither sold nor refunded', () => {
  const [won, lost, sold] = [{ bid_price: '19.53' }, { bid_price: '0.00' }, { is_sold: true }]
  const contracts = [won, lost, won, sold].map((details, place) => contract(String(place), details))
  expect(formatWinRate(contracts)).toBe('2 of 3, 67 %')
  expect(formatWinRate([])).toBe('–')
})
