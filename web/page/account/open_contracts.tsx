import { useRef } from 'react'
import type { Contract } from '../../src/pricewire.js'
import { serverTime, useNow } from '../clock.js'
import { formatMoney, formatProfit, formatSpot, profitDirection } from '../format.js'
import { texts } from '../texts/language.js'
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
  const { columns } = texts
  if (contracts === undefined) return <p className="empty">{texts.positions.loading}</p>
  if (rows.length === 0)
    return (
      <div className="empty">
        <p>{texts.positions.none}</p>
        <Hints />
      </div>
    )
  return (
    <>
      <div className="position columns" aria-hidden="true">
        <span>{columns.contract}</span>
        <span>{columns.stake}</span>
        <span>{columns.payout}</span>
        <span>{columns.entry}</span>
        <span>{columns.barrier}</span>
        <span>{columns.left}</span>
        <span>{columns.profit}</span>
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
  const { columns } = texts
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
      <Value label={columns.stake}>{formatMoney(details.stake)}</Value>
      <Value label={columns.payout}>{formatMoney(details.potential_payout)}</Value>
      <Value label={columns.entry}>
        {details.entry_spot === null && !isClosed ? texts.positions.nextTick : formatSpot(details.entry_spot)}
      </Value>
      <Value label={columns.barrier}>{formatSpot(details.barrier)}</Value>
      {isClosed ? (
        <span className="value exit">
          <span className="caption">{columns.exit}</span> {formatSpot(details.exit_spot)}
        </span>
      ) : (
        <span className="left">
          <span className="caption">{columns.left}</span> {progress.text}
          <i aria-hidden="true" style={{ scale: `${1 - progress.share} 1` }} />
        </span>
      )}
      <span className={`profit ${profitDirection(details.profit_loss)}`}>
        <span className="caption">{columns.profit}</span> {formatProfit(details.profit_loss)}
      </span>
      <SellButton
        session={session}
        contract={contract}
        isClosed={isClosed}
        isStale={isStale}
        name={texts.contract.nameOn(texts.contract.variants[details.variant], details.instrument_name)}
      />
    </li>
  )
}
