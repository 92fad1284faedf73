/** Returns a price with an instrument's decimals, or a dash where there is none. */
export function formatPrice(price: number | undefined, decimals: number): string {
  return price === undefined ? '–' : price.toFixed(decimals)
}

/** Returns a change from one price to another, in percent with a sign; zero has none. */
export function formatChange(from: number | undefined, to: number | undefined): string {
  if (from === undefined || to === undefined || from === 0) return '–'
  const percent = (100 * (to - from)) / from
  const text = Math.abs(percent).toFixed(Math.abs(percent) < 1 ? 3 : 2)
  // With a true minus, which is as wide as the plus.
  return Number(text) === 0 ? '0.000 %' : `${percent > 0 ? '+' : '−'}${text} %`
}

/** Returns which way {@link formatChange} says that a price went. */
export function changeDirection(from: number | undefined, to: number | undefined): 'up' | 'down' | '' {
  const text = formatChange(from, to)
  return text.startsWith('+') ? 'up' : text.startsWith('−') ? 'down' : ''
}

/** Returns when a closed market opens, as the end of a sentence; nothing where that is not known. */
export function formatOpening(opensAt: string | null | undefined): string {
  if (!opensAt) return ''
  return `, opens ${new Date(opensAt).toLocaleString(undefined, { weekday: 'short', hour: '2-digit', minute: '2-digit' })}`
}

/** Returns how long ago something was, in its largest unit. */
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
