import { useCallback, useEffect, useState } from 'react'
import type { StatementBody, StatementEntry } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { usePreferences, type Zone } from '../preferences.js'
import { RequestError, requestData } from '../requests.js'
import { TYPING_PAUSE, useSettled } from '../settled.js'
import { texts } from '../texts/language.js'
import type { Session } from './session.js'
import { type Filter, joinCsv, queryOf } from './statement_query.js'

/** The number of entries that are loaded at a time. */
const PER_PAGE = '50'

/** The most entries of a page of CSV, and the most pages: 100,000 entries. */
const PER_CSV_PAGE = '1000'
const MAX_CSV_PAGES = 100

/** The pages of a statement that have been loaded, newest first. */
export interface Statement {
  /** Undefined while the first page loads. */
  readonly entries: readonly StatementEntry[] | undefined
  /** Loads the next page; undefined on the last one. */
  readonly loadMore: (() => void) | undefined
  readonly problem: string | undefined
}

interface Loaded {
  readonly entries: readonly StatementEntry[] | undefined
  readonly cursor: string | null
  readonly problem: string | undefined
}

const NOTHING: Loaded = { entries: undefined, cursor: null, problem: undefined }

/**
 * Returns the statement of the session's account.
 *
 * @param version - what changes when there may be new entries: the statement is read again then.
 */
export function useStatement({ account, token }: Session, filter: Filter, version: string): Statement {
  const [{ zone }] = usePreferences()
  const query = queryOf(useSettled(filter, TYPING_PAUSE), zone, account.uuid).toString()
  const [{ entries, cursor, problem }, setLoaded] = useState(NOTHING)

  const load = useCallback(
    (before: readonly StatementEntry[], cursor: string | null, signal?: AbortSignal) => {
      const page = new URLSearchParams({ limit: PER_PAGE, ...(cursor !== null && { cursor }) })
      return requestData<StatementBody>(`/v1/accounting/statement?${query}&${page}`, { token, signal }).then(
        (body) => setLoaded({ entries: [...before, ...body.entries], cursor: body.next_cursor, problem: undefined }),
        (error) => {
          if (signal?.aborted !== true) setLoaded((loaded) => ({ ...loaded, problem: problemOf(error) }))
        },
      )
    },
    [query, token],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is read again.
  useEffect(() => {
    const leaving = new AbortController()
    void load([], null, leaving.signal)
    return () => leaving.abort()
  }, [load, version])

  return { entries, problem, loadMore: cursor === null ? undefined : () => void load(entries ?? [], cursor) }
}

/** Returns why a statement could not be loaded: of parameters, of which the server speaks, the user knows nothing. */
function problemOf(error: unknown): string {
  const isRefused = error instanceof RequestError && error.code === 'INVALID_PARAMETERS'
  return isRefused ? texts.statement.refused : explain(error)
}

/** Returns the whole statement as a table in CSV. */
export async function fetchCsv({ account, token }: Session, filter: Filter, zone: Zone): Promise<string> {
  const query = queryOf(filter, zone, account.uuid)
  query.set('format', 'csv')
  query.set('limit', PER_CSV_PAGE)
  const pages: string[] = []
  for (let cursor: string | null = ''; cursor !== null && pages.length < MAX_CSV_PAGES; ) {
    if (cursor !== '') query.set('cursor', cursor)
    const response = await fetch(`/v1/accounting/statement?${query}`, { headers: { Authorization: `Bearer ${token}` } })
    if (!response.ok) throw new RequestError(texts.errors.status(String(response.status)), { status: response.status })
    pages.push(await response.text())
    cursor = response.headers.get('Pricewire-Next-Cursor')
  }
  return joinCsv(pages)
}
