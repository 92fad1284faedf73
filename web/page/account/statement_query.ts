import type { StatementEntry } from '../../src/schema.js'

/** What of a statement is wanted, as the user chose it. */
export interface Filter {
  /** Empty: all kinds. */
  readonly kind: StatementEntry['kind'] | ''
  /** The first and the last day in UTC, `2026-11-29`; empty for no bound. */
  readonly from: string
  readonly to: string
}

const DAY = 86_400_000

/** Returns the parameters of a statement's request, without the page that is wanted. */
export function queryOf({ kind, from, to }: Filter, accountUuid: string): URLSearchParams {
  const query = new URLSearchParams({ account_uuid: accountUuid })
  if (kind !== '') query.set('kind', kind)
  if (from !== '') query.set('from_epoch_ms', String(Date.parse(from)))
  // The whole of the last day.
  if (to !== '') query.set('to_epoch_ms', String(Date.parse(to) + DAY - 1))
  return query
}

/** Returns the table of a statement as CSV (RFC 4180), from the pages of the server: the names of the columns stand in the first alone. */
export function joinCsv(pages: readonly string[]): string {
  return pages.map((page, place) => (place === 0 ? page : page.slice(page.indexOf('\n') + 1))).join('')
}
