import { useEffect, useRef, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { ProfitAndLossBody } from '../../src/schema.js'
import { sumOf } from '../money.js'
import { requestData } from '../requests.js'
import type { Session } from './session.js'

/** How long a settlement is announced, in milliseconds. */
const ANNOUNCED = 7000

/** The most announcements at a time: more would cover the page. */
const MAX_ANNOUNCED = 3

/** A contract that has closed while the page was open. */
export interface Settlement {
  readonly contract: Contract
  /** When it is no longer announced, in milliseconds since 1970. */
  readonly until: number
}

/**
 * Returns the contracts that closed a moment ago, newest first, and the function that takes one away.
 *
 * @param closed - the newest closed contracts; undefined while they load. Those of the first list closed before the page was opened.
 * @param onSettled - called once with each contract that closes.
 */
export function useSettlements(
  closed: readonly Contract[] | undefined,
  onSettled: (contract: Contract) => void,
): { settlements: readonly Settlement[]; dismiss: (contractId: string) => void } {
  const known = useRef<ReadonlySet<string>>(undefined)
  const [settlements, setSettlements] = useState<readonly Settlement[]>([])
  const latest = useRef(onSettled)
  useEffect(() => {
    latest.current = onSettled
  })

  useEffect(() => {
    const before = known.current
    known.current = closed && new Set(closed.map(({ contract_id }) => contract_id))
    if (closed === undefined) setSettlements([])
    if (before === undefined || closed === undefined) return
    const fresh = closed.filter(({ contract_id }) => !before.has(contract_id))
    if (fresh.length === 0) return
    for (const contract of fresh) latest.current(contract)
    const until = Date.now() + ANNOUNCED
    setSettlements((shown) => [...fresh.map((contract) => ({ contract, until })), ...shown].slice(0, MAX_ANNOUNCED))
  }, [closed])

  useEffect(() => {
    if (settlements.length === 0) return
    const next = Math.min(...settlements.map(({ until }) => until))
    const timer = setTimeout(
      () => setSettlements((shown) => shown.filter(({ until }) => until > Date.now())),
      Math.max(0, next - Date.now()) + 1,
    )
    return () => clearTimeout(timer)
  }, [settlements])

  const dismiss = (contractId: string) =>
    setSettlements((shown) => shown.filter(({ contract }) => contract.contract_id !== contractId))
  return { settlements, dismiss }
}

/**
 * Returns the profit and loss of the contracts that have closed today, in UTC; undefined while it loads.
 *
 * @param closed - the newest closed contracts: the sum is read again whenever they change.
 */
export function useProfitToday(
  session: Session | undefined,
  closed: readonly Contract[] | undefined,
): string | undefined {
  const [sum, setSum] = useState<string>()
  const newest = closed?.[0]?.contract_id
  // biome-ignore lint/correctness/useExhaustiveDependencies: a contract that closes changes the sum.
  useEffect(() => {
    if (session === undefined) return setSum(undefined)
    const leaving = new AbortController()
    const today = new Date().toISOString().slice(0, 10)
    const query = new URLSearchParams({ account_uuid: session.account.uuid, from_day: today })
    requestData<ProfitAndLossBody>(`/v1/accounting/profit_and_loss?${query}`, {
      token: session.token,
      signal: leaving.signal,
    }).then(
      ({ results }) => setSum(sumOf(results.map(({ profit_loss }) => profit_loss))),
      () => {}, // the next contract that closes tries again
    )
    return () => leaving.abort()
  }, [session, newest])
  return sum
}
