import { expect, it } from 'vitest'
import { linesOf, shownContract } from '../../../page/chart/price_lines.js'
import { contract } from '../fixtures.js'

const drawn = (details: Parameters<typeof contract>[1]) =>
  linesOf(contract('a', details)).map(({ title, price, direction }) => [title, price, direction])

it('draws the entry of a contract and, where it differs, the barrier', () => {
  expect(drawn({})).toEqual([['Entry', 1000, 'up']])
  expect(drawn({ variant: 'lower', barrier: '995.00' })).toEqual([
    ['Entry', 1000, ''],
    ['Barrier', 995, 'down'],
  ])
})

it('draws nothing before the entry', () => {
  expect(drawn({ entry_spot: null, barrier: '+1.00' })).toEqual([])
})

it('shows the contract under the pointer, else the chosen one, else the newest', () => {
  const contracts = [
    contract('old', { contract_start_time: 1 }),
    contract('new', { contract_start_time: 2 }),
    contract('other', { contract_start_time: 3, instrument_id: 'R_50' }),
  ]
  const shown = (...wanted: (string | undefined)[]) =>
    shownContract(contracts, [contract('closed')], 'R_100', wanted)?.contract_id
  expect(shown('old', 'new')).toBe('old')
  expect(shown(undefined, 'old')).toBe('old')
  expect(shown('other', 'gone')).toBe('new')
  expect(shown('closed')).toBe('closed')
  expect(shownContract([], [], 'R_100', [])).toBeUndefined()
})
