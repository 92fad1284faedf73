import { useEffect, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { ClosedContractsPage, TickBody } from '../../src/schema.js'
import { fetchTicksBetween, secondsPerTick } from '../chart/history.js'
import { serverTime } from '../clock.js'
import { explain } from '../error_text.js'
import { requestData } from '../requests.js'
import { texts } from '../texts/language.js'
import type { Session } from './session.js'

/** A tick of a contract's life. */
export interface LifeTick {
  readonly epochMs: number
  /** As the server writes it. */
  readonly price: string
}

/** A contract, and the ticks of its life. */
export interface ContractLife {
  /** Undefined while it is looked for. */
  readonly contract: Contract | undefined
  /** Undefined while they load. Empty where the contract has had none, or the server does not have them any more. */
  readonly ticks: readonly LifeTick[] | undefined
  /** Whether these are all: not where the server has only the last of them, or there are more than can be told apart. */
  readonly isWhole: boolean
  readonly problem: string | undefined
}

/**
 * Returns a contract with the ticks of its life.
 *
 * @param known - the contracts that the page has anyway; an older one is asked for.
 */
export function useContract(session: Session, contractId: string, known: readonly Contract[]): ContractLife {
  const mine = known.find(({ contract_id }) => contract_id === contractId)
  const [found, setFound] = useState<Contract>()
  const [ticks, setTicks] = useState<readonly LifeTick[]>()
  const [problem, setProblem] = useState<string>()
  const contract = mine ?? found
  const { token, account } = session
  const isKnown = mine !== undefined

  useEffect(() => {
    if (isKnown) return
    const leaving = new AbortController()
    const query = new URLSearchParams({ account_uuid: account.uuid, contract_id: contractId })
    requestData<ClosedContractsPage>(`/v1/trading/contracts/close?${query}`, { token, signal: leaving.signal }).then(
      ({ contracts: [contract] }) => (contract === undefined ? setProblem(texts.drawer.missing) : setFound(contract)),
      (error) => leaving.signal.aborted || setProblem(explain(error)),
    )
    return () => leaving.abort()
  }, [isKnown, token, account.uuid, contractId])

  const { instrument_id, entry_tick_time, exit_tick_time, exit_time } = contract?.contract_details ?? {}
  useEffect(() => {
    if (instrument_id === undefined) return
    // Before the entry nothing of the contract has happened.
    if (entry_tick_time == null) return setTicks([])
    const leaving = new AbortController()
    // Of an open contract those up to now; the next ones come with its updates.
    const to = exit_tick_time ?? exit_time ?? serverTime(Date.now())
    fetchTicksBetween(instrument_id, entry_tick_time, to, leaving.signal).then(
      (loaded) => setTicks(loaded.map(lifeTick)),
      (error) => leaving.signal.aborted || setProblem(explain(error)),
    )
    return () => leaving.abort()
  }, [instrument_id, entry_tick_time, exit_tick_time, exit_time])

  const newest = exit_time === null ? contract?.contract_details.tick_stream?.at(-1) : undefined
  const [newestTime, newestPrice] = [newest?.epoch_ms, newest?.price]
  useEffect(() => {
    if (newestTime === undefined || newestPrice === undefined) return
    setTicks((ticks) => {
      if (ticks === undefined || newestTime <= (ticks.at(-1)?.epochMs ?? 0)) return ticks
      return [...ticks, { epochMs: newestTime, price: newestPrice }]
    })
  }, [newestTime, newestPrice])

  const first = ticks?.[0]?.epochMs
  const last = exit_tick_time ?? exit_time ?? ticks?.at(-1)?.epochMs
  const isWhole =
    first !== undefined && last != null && first === entry_tick_time && secondsPerTick(first, last) === undefined
  return { contract, ticks, isWhole, problem }
}

function lifeTick({ epoch_ms, price }: TickBody): LifeTick {
  return { epochMs: Number(epoch_ms), price }
}
