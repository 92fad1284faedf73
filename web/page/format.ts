import type { Zone } from './preferences.js'

/** Returns a price with an instrument's decimals, or a dash if there is no price. */
export function formatPrice(price: number | undefined, decimals: number): string {
  return price === undefined ? '–' : price.toFixed(decimals)
}

/** Returns the change from one price to another in percent, with a sign unless it is zero. */
export function formatChange(from: number | undefined, to: number | undefined): string {
  if (from === undefined || to === undefined || from === 0) return '–'
  const percent = (100 * (to - from)) / from
  const text = Math.abs(percent).toFixed(Math.abs(percent) < 1 ? 3 : 2)
  // With the minus sign of typography, which is as wide as the plus.
  return Number(text) === 0 ? '0.000 %' : `${percent > 0 ? '+' : '−'}${text} %`
}

/** Returns the direction of the change that {@link formatChange} shows. */
export function changeDirection(from: number | undefined, to: number | undefined): 'up' | 'down' | '' {
  const text = formatChange(from, to)
  return text.startsWith('+') ? 'up' : text.startsWith('−') ? 'down' : ''
}

/** Returns when a closed market opens, as the end of a sentence; empty if that is not known. */
export function formatOpening(opensAt: string | null | undefined): string {
  if (!opensAt) return ''
  const time = { weekday: 'short', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' } as const
  return `, opens ${new Date(opensAt).toLocaleString('en-GB', time)} UTC`
}

/** Returns a span of time in its largest unit. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} d`
}

/** Returns the categories of an instrument as a heading. */
export function formatCategories(categories: readonly string[]): string {
  return categories.map((name) => name.charAt(0).toUpperCase() + name.slice(1)).join(' · ') || 'Other'
}

/** Returns an amount of money with separated thousands. */
export function formatMoney(amount: string | number, currency?: string): string {
  const [whole = '', fraction] = String(amount).split('.')
  const grouped = whole.replace('-', '−').replace(/\B(?=(\d{3})+$)/g, ',')
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`
  return currency === undefined ? text : `${text} ${currency}`
}

/** Returns a profit or loss with its sign. */
export function formatProfit(amount: string | number): string {
  const text = formatMoney(String(amount).replace('+', ''))
  return Number(amount) > 0 ? `+${text}` : text
}

/** Returns `up` for a profit, `down` for a loss, and an empty string for zero. */
export function profitDirection(amount: string | number): 'up' | 'down' | '' {
  const value = Number(amount)
  return value > 0 ? 'up' : value < 0 ? 'down' : ''
}

/** Returns the time of day, like the chart; with the date if that is not today. */
export function formatTime(epochMs: number, now: number, zone: Zone): string {
  const inZone = zone === 'utc' ? ({ timeZone: 'UTC' } as const) : {}
  const time = new Date(epochMs).toLocaleTimeString('en-GB', inZone)
  const dateOf = (at: number) => new Date(at).toLocaleDateString('en-GB', { dateStyle: 'short', ...inZone })
  if (dateOf(epochMs) === dateOf(now)) return time
  return `${new Date(epochMs).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...inZone })} ${time}`
}

/** Returns a number of bytes in its largest unit. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}
