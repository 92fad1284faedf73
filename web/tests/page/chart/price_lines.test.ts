import { expect, it } from 'vitest'
import { linesOf } from '../../../page/chart/price_lines.js'
import { contract } from '../fixtures.js'

it('draws the entry and the barrier of the open contracts of one instrument', () => {
  const contracts = [
    contract('a'),
    contract('b', { variant: 'lower', barrier: '995.00' }),
    contract('c', { instrument_id: 'R_50' }),
    contract('d', { entry_spot: null, barrier: '+1.00' }),
  ]
  const lines = linesOf(contracts, 'R_100')
  expect(lines.map(({ title, price, direction }) => [title, price, direction])).toEqual([
    ['Entry', 1000, ''],
    ['Barrier', 995, 'down'],
  ])
})
