import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { waitOf } from '../../../page/markets/instruments.js'
import { R_100 } from '../fixtures.js'

beforeEach(() => vi.useFakeTimers({ now: Date.parse('2026-12-01T12:00:00Z') }))
afterEach(() => vi.useRealTimers())

const HOURS = { opens_at: '2026-12-01T08:00:00Z', closes_at: '2026-12-01T16:30:00Z' }
const TOMORROW = { is_market_open: false, opens_at: '2026-12-02T08:00:00Z', closes_at: '2026-12-02T16:30:00Z' }

it.each([
  ['not where all are open around the clock', [R_100], undefined],
  ['soon where one is closed, and may open at any moment', [R_100, { ...R_100, is_market_open: false }], 5000],
  ['soon where one should be open by its hours', [{ ...R_100, ...HOURS, is_market_open: false }], 5000],
  ['now and then where one closes by its hours', [R_100, { ...R_100, ...HOURS }], 60_000],
  ['now and then where one is closed by its hours', [{ ...R_100, ...TOMORROW }], 60_000],
])('asks again %s', (_, instruments, wait) => {
  expect(waitOf(instruments)).toBe(wait)
})
