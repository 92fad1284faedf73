import { useRef } from 'react'
import type { Contract } from '../../src/pricewire.js'
import { serverTime, useNow } from '../clock.js'
import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { VARIANTS } from '../trade/variants.js'
import { ContractName, Value } from './contract_cells.js'
import { progressOf } from './contracts.js'
import { Hints } from './hints.js'
import { useKeptRows } from './kept_rows.js'
import { SellButton } from './sell_button.js'
import type { Session } from './session.js'

interface OpenContractsProps {
  readonly session: Session
  /** Undefined while they load. */
  readonly contracts: readonly Contract[] | undefined
  /** The newest closed contracts: how those that have just closed have ended. */
  readonly closed: readonly Contract[]
  /** Whether the prices of the contracts may be out of date. */
  readonly isStale: boolean
  readonly onChoose: (instrumentId: string) => void
  readonly onPoint: (contractId: string | undefined) => void
  readonly onPick: (contractId: string) => void
}

const NONE: readonly Contract[] = []

/** The open contracts, newest first. A contract that has closed stays in its place for a moment, with its result. */
export function OpenContracts({ session, contracts, closed, isStale, onChoose, onPoint, onPick }: OpenContractsProps) {
  const usedAt = useRef(0)
  const rows = useKeptRows(contracts ?? NONE, usedAt)
  if (contracts === undefined) return <p className="empty">Loading your contracts …</p>
  if (rows.length === 0)
    return (
      <div className="empty">
        <p>No open contract. Buy one with the trade ticket, and watch it here.</p>
        <Hints />
      </div>
    )
  return (
    <>
      <div className="position columns" aria-hidden="true">
        <span>Contract</span>
        <span>Stake</span>
        <span>Payout</span>
        <span>Entry</span>
        <span>Barrier</span>
        <span>Left</span>
        <span>Profit</span>
        <span />
      </div>
      <ul
        className={`list ${isStale ? 'stale' : ''}`}
        onPointerMove={() => {
          usedAt.current = Date.now()
        }}
        // The keyboard's focus would be lost with its row.
        onFocus={({ target }) => {
          if (target.matches(':focus-visible')) usedAt.current = Number.POSITIVE_INFINITY
        }}
        onBlur={() => {
          usedAt.current = Date.now()
        }}
      >
        {rows.map(({ contract, closedAt }) => (
          <Row
            key={contract.contract_id}
            session={session}
            contract={closed.find(({ contract_id }) => contract_id === contract.contract_id) ?? contract}
            isClosed={closedAt !== undefined}
            isStale={isStale}
            onChoose={onChoose}
            onPoint={onPoint}
            onPick={onPick}
          />
        ))}
      </ul>
    </>
  )
}

interface RowProps {
  readonly session: Session
  readonly contract: Contract
  /** Whether the contract has left the open ones. */
  readonly isClosed: boolean
  readonly isStale: boolean
  readonly onChoose: (instrumentId: string) => void
  readonly onPoint: (contractId: string | undefined) => void
  readonly onPick: (contractId: string) => void
}

function Row({ session, contract, isClosed, isStale, onChoose, onPoint, onPick }: RowProps) {
  const { contract_id, contract_details: details } = contract
  const { name } = VARIANTS[details.variant]
  const now = serverTime(useNow(!isClosed && details.duration_unit !== 'ticks'))
  const progress = progressOf(contract, now)
  return (
    <li
      className={`position ${isClosed ? 'closing' : ''}`}
      data-contract={contract_id}
      onPointerEnter={() => onPoint(contract_id)}
      onPointerLeave={() => onPoint(undefined)}
    >
      <ContractName
        contract={contract}
        onChoose={(instrumentId) => {
          onPick(contract_id)
          onChoose(instrumentId)
        }}
      />
      <Value label="Stake">{formatMoney(details.stake)}</Value>
      <Value label="Payout">{formatMoney(details.potential_payout)}</Value>
      <Value label="Entry">{details.entry_spot ?? (isClosed ? '–' : 'next tick')}</Value>
      <Value label="Barrier">{details.barrier ?? '–'}</Value>
      {isClosed ? (
        <Value label="Exit">{details.exit_spot ?? '–'}</Value>
      ) : (
        <span className="left">
          <span className="caption">Left</span> {progress.text}
          <i aria-hidden="true" style={{ scale: `${1 - progress.share} 1` }} />
        </span>
      )}
      <span className={`profit ${profitDirection(details.profit_loss)}`}>
        <span className="caption">Profit</span> {formatProfit(details.profit_loss)}
      </span>
      <SellButton
        session={session}
        contract={contract}
        isClosed={isClosed}
        isStale={isStale}
        name={`${name} on ${details.instrument_name}`}
      />
    </li>
  )
}
