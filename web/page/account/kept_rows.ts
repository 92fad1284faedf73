import { type RefObject, useEffect, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'

/** How long a contract that has closed stays in the list, in milliseconds: the next row must not slide under the pointer. */
export const KEPT = 3000

/** The time between two looks at what has closed, in milliseconds. */
const LOOK_EVERY = 250

/** A row of the list of open contracts. */
export interface KeptRow {
  readonly contract: Contract
  /** When the contract left the open ones, in milliseconds since 1970; undefined while it is open. */
  readonly closedAt: number | undefined
}

/**
 * Returns the rows that follow: contracts keep their places, new ones come first, and closed ones stay for {@link KEPT} milliseconds.
 *
 * @param usedAt - when the user last pointed at the list, in milliseconds since 1970. Closed rows stay for as long after that too: a row that
 * moves then would be pressed by mistake.
 */
export function nextRows(
  rows: readonly KeptRow[],
  open: readonly Contract[],
  now: number,
  usedAt: number,
): readonly KeptRow[] {
  const fresh = new Map(open.map((contract) => [contract.contract_id, contract]))
  const kept: KeptRow[] = []
  for (const { contract, closedAt = now } of rows) {
    const update = fresh.get(contract.contract_id)
    fresh.delete(contract.contract_id)
    if (update !== undefined) kept.push({ contract: update, closedAt: undefined })
    else if (now < Math.max(closedAt, usedAt) + KEPT) kept.push({ contract, closedAt })
  }
  const added = [...fresh.values()].sort(
    (one, other) => other.contract_details.contract_start_time - one.contract_details.contract_start_time,
  )
  return [...added.map((contract) => ({ contract, closedAt: undefined })), ...kept]
}

/**
 * Returns the rows of the open contracts, newest first, as {@link nextRows} keeps them.
 *
 * @param usedAt - when the user last pointed at the list, in milliseconds since 1970.
 */
export function useKeptRows(open: readonly Contract[], usedAt: RefObject<number>): readonly KeptRow[] {
  const [shown, setShown] = useState(() => ({ open, rows: nextRows([], open, Date.now(), 0) }))
  // During rendering, so that no price is a frame late.
  if (shown.open !== open) setShown({ open, rows: nextRows(shown.rows, open, Date.now(), usedAt.current) })
  const hasClosed = shown.rows.some(({ closedAt }) => closedAt !== undefined)
  useEffect(() => {
    if (!hasClosed) return
    const timer = setInterval(
      () => setShown(({ open, rows }) => ({ open, rows: nextRows(rows, open, Date.now(), usedAt.current) })),
      LOOK_EVERY,
    )
    return () => clearInterval(timer)
  }, [hasClosed, usedAt])
  return shown.rows
}
