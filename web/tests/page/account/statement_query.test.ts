import { expect, it, vi } from 'vitest'
import { formatWinRate } from '../../../page/account/contracts.js'
import { joinCsv, queryOf } from '../../../page/account/statement_query.js'
import { contract } from '../fixtures.js'

it('asks for whole days in UTC', () => {
  const query = queryOf({ kind: 'payout', from: '2026-11-28', to: '2026-11-29' }, 'utc', 'a')
  expect(Object.fromEntries(query)).toEqual({
    account_uuid: 'a',
    kind: 'payout',
    from_epoch_ms: String(Date.UTC(2026, 10, 28)),
    to_epoch_ms: String(Date.UTC(2026, 10, 30) - 1),
  })
  expect(queryOf({ kind: '', from: '', to: '' }, 'utc', 'a').toString()).toBe('account_uuid=a')
})

it('asks for whole days in the time zone of the browser where times are shown in that', () => {
  // In Berlin the clock is put back on the 25th of October 2026: that day has 25 hours.
  vi.stubEnv('TZ', 'Europe/Berlin')
  const query = queryOf({ kind: '', from: '2026-10-25', to: '2026-10-25' }, 'local', 'a')
  expect(query.get('from_epoch_ms')).toBe(String(Date.UTC(2026, 9, 24, 22)))
  expect(query.get('to_epoch_ms')).toBe(String(Date.UTC(2026, 9, 25, 23) - 1))
  vi.unstubAllEnvs()
})

it.each(['0002-01-13', '0202-01-13', '1969-12-31', '12026-01-13'])('asks for no day of %s', (day) => {
  expect(queryOf({ kind: '', from: day, to: day }, 'utc', 'a').toString()).toBe('account_uuid=a')
})

it('joins the pages of a table under one line of names', () => {
  expect(joinCsv(['a,b\n1,2\n', 'a,b\n3,4\n', 'a,b\n'])).toBe('a,b\n1,2\n3,4\n')
  expect(joinCsv([])).toBe('')
})

it('counts the contracts that have won, without those that were sold', () => {
  const won = contract('a', { bid_price: '19.53', exit_spot: '1001.00' })
  const lost = contract('b', { bid_price: '0.00', exit_spot: '999.00' })
  const sold = contract('c', { is_sold: true, bid_price: '12.00' })
  expect(formatWinRate([won, lost, sold, won])).toBe('2 of 3, 67 %')
  expect(formatWinRate([sold])).toBe('–')
})
