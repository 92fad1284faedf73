import { expect, it } from 'vitest'
import { addReport } from '../../../page/admin/report_history.js'
import type { AdminBody } from '../../../src/schema.js'

function report(epoch_ms: number, delivered: number, refused = 0, started_epoch_ms = 0): AdminBody {
  return {
    version: '0.1.0',
    epoch_ms,
    started_epoch_ms,
    is_draining: false,
    can_drain: true,
    problems: [],
    streams: {
      open: { sse: 2, ticks: 1 },
      on_gateways: 0,
      gateways: 0,
      lagging: 0,
      opened: 3,
      resumed: 0,
      reset: 0,
      lagged: 0,
      dropped: 0,
    },
    traffic: { published: delivered / 2, delivered, merged: 0, bytes: 100 * delivered },
    loop_delay: { mean_ms: 1, longest_ms: 4 },
    refusals: { parameters: refused },
    topics: 1,
    busiest_topics: [],
    feeds: [],
    trading: { open_contracts: 0, unsettled_contracts: 0, purchases: 0, sales: 0, accounts: [], exposure: [] },
  }
}

it('has rates from the second report on', () => {
  const first = addReport(undefined, report(1000, 500, 7))
  expect(first.rates).toEqual([])
  const second = addReport(first, report(3000, 900, 9))
  expect(second.rates).toEqual([{ published: 100, delivered: 200, merged: 0, bytes: 20_000, delay: 4, streams: 3 }])
  expect(second.refused).toBe(2)
})

it('begins anew with another process, whose counts begin at 0', () => {
  const before = addReport(addReport(undefined, report(1000, 500, 7)), report(2000, 900, 9))
  const restarted = addReport(before, report(3000, 10, 1, 2500))
  expect(restarted.rates).toEqual([])
  expect(restarted.refused).toBe(0)
})

it('does not divide by no time where the same report comes again', () => {
  const before = addReport(addReport(undefined, report(1000, 500)), report(2000, 900))
  expect(addReport(before, report(2000, 900)).rates).toHaveLength(1)
})

it('keeps two minutes', () => {
  let history = addReport(undefined, report(0, 0))
  for (let second = 1; second <= 200; second += 1) history = addReport(history, report(1000 * second, second))
  expect(history.rates).toHaveLength(120)
})
