import type { Zone } from './preferences.js'
import { texts } from './texts/language.js'

const formats = new Map<string, Intl.NumberFormat>()

/** Returns a format of numbers in the page's language; each is made once, because that takes long. */
function numberFormat(decimals: number, useGrouping: boolean): Intl.NumberFormat {
  const key = `${texts.locale} ${decimals} ${useGrouping}`
  const known = formats.get(key)
  if (known !== undefined) return known
  const made = new Intl.NumberFormat(texts.locale, {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
    useGrouping,
  })
  formats.set(key, made)
  return made
}

/** Puts the minus sign of typography, which is as wide as the plus. */
function withMinus(text: string): string {
  return text.replace('-', '−')
}

/** Returns a price with an instrument's decimals, or a dash if there is no price. */
export function formatPrice(price: number | undefined, decimals: number): string {
  return price === undefined ? '–' : withMinus(numberFormat(decimals, false).format(price))
}

/** Returns a price as the server writes it, `1900.50`, in the page's language; a dash if there is none. */
export function formatSpot(spot: string | null): string {
  return spot === null ? '–' : formatPrice(Number(spot), decimalsOf(spot))
}

/** Returns a whole number with separated thousands. */
export function formatCount(count: number): string {
  return withMinus(numberFormat(0, true).format(count))
}

/** Returns a share in percent. */
export function formatPercent(percent: number, decimals: number): string {
  return `${formatPrice(percent, decimals)} %`
}

/** Returns the change from one price to another in percent, with a sign unless it is zero. */
export function formatChange(from: number | undefined, to: number | undefined): string {
  const percent = changeOf(from, to)
  if (percent === undefined) return '–'
  const text = formatPercent(percent, percent === 0 || Math.abs(percent) < 1 ? 3 : 2)
  return percent > 0 ? `+${text}` : text
}

/** Returns the direction of the change that {@link formatChange} shows. */
export function changeDirection(from: number | undefined, to: number | undefined): 'up' | 'down' | '' {
  return profitDirection(changeOf(from, to) ?? 0)
}

/** Returns a change in percent, 0 if it is too small to be shown. */
function changeOf(from: number | undefined, to: number | undefined): number | undefined {
  if (from === undefined || to === undefined || from === 0) return undefined
  const percent = (100 * (to - from)) / from
  return Math.abs(percent) < 0.0005 ? 0 : percent
}

/** Returns the time at which a closed market opens, in UTC; undefined if that is not known. */
export function formatOpening(opensAt: string | null | undefined): string | undefined {
  if (!opensAt) return undefined
  const time = { weekday: 'short', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' } as const
  return new Date(opensAt).toLocaleString(texts.locale, time)
}

/** Returns a span of time in its largest unit. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 90) return texts.age.seconds(formatCount(seconds))
  if (seconds < 5400) return texts.age.minutes(formatCount(seconds / 60))
  if (seconds < 129_600) return texts.age.hours(formatCount(seconds / 3600))
  return texts.age.days(formatCount(seconds / 86_400))
}

/** Returns the categories of an instrument as a heading. */
export function formatCategories(categories: readonly string[]): string {
  const names = categories.map((name) => name.charAt(0).toUpperCase() + name.slice(1))
  return names.join(' · ') || texts.markets.otherCategory
}

/** Returns an amount of money with separated thousands. */
export function formatMoney(amount: string | number, currency?: string): string {
  const text = withMinus(numberFormat(decimalsOf(String(amount)), true).format(Number(amount)))
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
  const time = new Date(epochMs).toLocaleTimeString(texts.locale, inZone)
  const dateOf = (at: number) => new Date(at).toLocaleDateString(texts.locale, { dateStyle: 'short', ...inZone })
  if (dateOf(epochMs) === dateOf(now)) return time
  return `${new Date(epochMs).toLocaleDateString(texts.locale, { day: 'numeric', month: 'short', ...inZone })} ${time}`
}

/** Returns a number of bytes in its largest unit. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${formatCount(bytes)} B`
  if (bytes < 1_000_000) return `${formatPrice(bytes / 1000, 1)} kB`
  return `${formatPrice(bytes / 1_000_000, 1)} MB`
}

function decimalsOf(amount: string): number {
  return amount.split('.')[1]?.length ?? 0
}
