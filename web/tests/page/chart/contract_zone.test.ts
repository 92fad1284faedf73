import { expect, it } from 'vitest'
import { placeOf, zoneOf } from '../../../page/chart/contract_zone.js'
import { contract } from '../fixtures.js'

it.each([
  ['rise', '1000.00', 'above'],
  ['fall', '1000.00', 'below'],
  ['higher', '995.00', 'above'],
  ['lower', '1005.00', 'below'],
  ['touch', '1005.00', 'above'],
  ['touch', '995.00', 'below'],
  ['no_touch', '1005.00', 'below'],
  ['no_touch', '995.00', 'above'],
] as const)('%s with a barrier of %s wins %s it', (variant, barrier, wins) => {
  const zone = zoneOf(contract('a', { variant, barrier }))
  expect(zone).toMatchObject({ wins, barrier: Number(barrier), entry: { time: 1, price: 1000 }, end: 60 })
})

it('ends at the exit', () => {
  const exit = { exit_spot: '1001.00', exit_tick_time: 42_000, exit_time: 43_000 }
  expect(zoneOf(contract('a', exit))).toMatchObject({ end: 43, exit: { time: 42, price: 1001 } })
})

it('is nowhere before the entry', () => {
  expect(zoneOf(contract('a', { entry_spot: null, barrier: null, entry_tick_time: null }))).toBeUndefined()
})

it.each([
  [100, 0],
  [160, 1],
  [130, 0.5],
  [200, 2 - 1 / 3],
  [220, 2],
  [280, 3],
  [40, -1],
])('a time of %d s is at %d', (time, place) => {
  expect(placeOf(time, [{ time: 100 }, { time: 160 }, { time: 220 }], 60)).toBeCloseTo(place)
})

it('is nowhere without bars', () => {
  expect(placeOf(1, [], 60)).toBeUndefined()
})
