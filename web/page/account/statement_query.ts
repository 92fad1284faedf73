import type { StatementEntry } from '../../src/schema.js'
import type { Zone } from '../preferences.js'

/** What of a statement is wanted, as the user chose it. */
export interface Filter {
  /** Empty: all kinds. */
  readonly kind: StatementEntry['kind'] | ''
  /** The first and the last day, `2026-11-29`; empty for no bound. */
  readonly from: string
  readonly to: string
}

/** The years that are asked for. */
export const FIRST_YEAR = 1970
export const LAST_YEAR = 9999

/** Returns the parameters of a statement's request, without the page that is wanted. The days are those of a time zone. */
export function queryOf({ kind, from, to }: Filter, zone: Zone, accountUuid: string): URLSearchParams {
  const query = new URLSearchParams({ account_uuid: accountUuid })
  if (kind !== '') query.set('kind', kind)
  const begin = beginOf(from, 0, zone)
  if (begin !== undefined) query.set('from_epoch_ms', String(begin))
  // The whole of the last day.
  const end = beginOf(to, 1, zone)
  if (end !== undefined) query.set('to_epoch_ms', String(end - 1))
  return query
}

/** Returns when a day begins, or one that is so many days later, in milliseconds since 1970; undefined where none has been typed in full. */
function beginOf(day: string, daysLater: number, zone: Zone): number | undefined {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number)
  // Half typed: on its way to 2026 a year is 2, 20 and 202.
  if (year < FIRST_YEAR || year > LAST_YEAR) return undefined
  const begin =
    zone === 'utc' ? Date.UTC(year, month - 1, date + daysLater) : +new Date(year, month - 1, date + daysLater)
  return Math.max(0, begin)
}

/** Returns the table of a statement as CSV (RFC 4180), from the pages of the server: the names of the columns stand in the first alone. */
export function joinCsv(pages: readonly string[]): string {
  return pages.map((page, place) => (place === 0 ? page : page.slice(page.indexOf('\n') + 1))).join('')
}
