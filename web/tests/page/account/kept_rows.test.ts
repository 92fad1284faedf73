import { expect, it } from 'vitest'
import { KEPT, nextRows } from '../../../page/account/kept_rows.js'
import { contract } from '../fixtures.js'

const at = (time: number) => contract(`${time}`, { contract_start_time: time })
const one = at(1)
const two = at(2)
const three = at(3)
const OPEN = [one, two, three]
const shown = (rows: ReturnType<typeof nextRows>) => rows.map(({ contract }) => contract.contract_id).join()

it('shows the newest first', () => {
  expect(shown(nextRows([], OPEN, 0, 0))).toBe('3,2,1')
})

it('keeps a closed contract in its place for a moment', () => {
  const before = nextRows([], OPEN, 0, 0)
  const after = nextRows(before, [one, three], 1000, 0)
  expect(after.map(({ closedAt }) => closedAt)).toEqual([undefined, 1000, undefined])
  expect(shown(nextRows(after, [one, three], 1000 + KEPT - 1, 0))).toBe('3,2,1')
  expect(shown(nextRows(after, [one, three], 1000 + KEPT, 0))).toBe('3,1')
})

it('keeps it longer while the user points at the list', () => {
  const after = nextRows(nextRows([], OPEN, 0, 0), [one], 1000, 0)
  expect(shown(nextRows(after, [one], 99_000, 98_000))).toBe('3,2,1')
  expect(shown(nextRows(after, [one], 98_000 + KEPT, 98_000))).toBe('1')
})

it('puts new contracts first, without moving the others among themselves', () => {
  const rows = nextRows(nextRows([], [two, three], 0, 0), [two], 1, 0)
  expect(shown(nextRows(rows, [two, one], 2, 0))).toBe('1,3,2')
})
