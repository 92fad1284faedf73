// @vitest-environment happy-dom
import { beforeEach, expect, it } from 'vitest'
import { changePreferences } from '../../page/preferences.js'
import { linkTo, readRoute, writeRoute } from '../../page/route.js'

beforeEach(() => changePreferences({ view: { timeframe: '1m' }, chartStyle: 'candles' }))

it.each([
  'R_100/5m',
  'R_100/5m/positions',
  'A%2FB%3F/1h?range=1w&style=area&product=touch',
  '/tick/events?product=rise_fall',
])('writes what it has read: %s', (hash) => {
  expect(writeRoute(readRoute(hash))).toBe(hash)
})

it('takes what it does not know for nothing', () => {
  const route = readRoute('R_100/7m/nowhere?range=__proto__&style=toString&other=1')
  expect(route).toEqual({
    id: 'R_100',
    timeframe: '1m',
    tab: 'trade',
    range: undefined,
    style: undefined,
    product: undefined,
  })
  expect(readRoute('%E0%A4%A/constructor').timeframe).toBe('1m')
})

it('shows what was shown last where the address does not say it', () => {
  changePreferences({ view: { timeframe: '15m', range: '1d' } })
  expect(readRoute('')).toMatchObject({ timeframe: '15m', range: '1d' })
  expect(readRoute('R_100/1h')).toMatchObject({ timeframe: '1h', range: undefined })
})

it('links to the view, and to no tab', () => {
  const link = linkTo({ ...readRoute('R_100/1h/positions?range=1w'), style: 'bars' })
  expect(new URL(link).hash).toBe('#R_100/1h?range=1w&style=bars')
})
