import { useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { ClosedContractsBody } from '../../src/schema.js'
import { serverTime } from '../clock.js'
import { formatMoney, formatProfit, formatTime, profitDirection } from '../format.js'
import { usePreferences } from '../preferences.js'
import { ContractName, Value } from './contract_cells.js'
import { outcomeOf } from './contracts.js'

interface ClosedContractsProps {
  /** Undefined while they load. */
  readonly closed: ClosedContractsBody | undefined
  readonly onChoose: (instrumentId: string) => void
  readonly onPoint: (contractId: string | undefined) => void
  readonly onPick: (contractId: string) => void
}

/** The number of contracts on a page. */
const PER_PAGE = 10

/** The newest closed contracts, a page at a time. */
export function ClosedContracts({ closed, onChoose, onPoint, onPick }: ClosedContractsProps) {
  const [wanted, setWanted] = useState(1)
  const [{ zone }] = usePreferences()
  if (closed === undefined) return <p className="empty">Loading your closed contracts …</p>
  if (closed.contracts.length === 0)
    return <p className="empty">No closed contract yet. Contracts appear here when they end or are sold.</p>
  const { contracts, pagination } = closed
  const total = Math.ceil(contracts.length / PER_PAGE)
  const page = Math.min(wanted, total)
  return (
    <>
      <div className="position columns closed" aria-hidden="true">
        <span>Contract</span>
        <span>Stake</span>
        <span>Entry</span>
        <span>Exit</span>
        <span>{zone === 'utc' ? 'Closed, UTC' : 'Closed'}</span>
        <span>Result</span>
        <span>Payout received</span>
        <span>Profit</span>
      </div>
      <ul className="list">
        {contracts.slice(PER_PAGE * (page - 1), PER_PAGE * page).map((contract) => (
          <ClosedContract
            key={contract.contract_id}
            contract={contract}
            onChoose={onChoose}
            onPoint={onPoint}
            onPick={onPick}
          />
        ))}
      </ul>
      {total > 1 && (
        <nav className="pages" aria-label="Pages of closed contracts">
          <button
            type="button"
            className="button"
            aria-disabled={page <= 1}
            onClick={() => page > 1 && setWanted(page - 1)}
          >
            Newer
          </button>
          <span>
            {page} of {total}
            {contracts.length < pagination.total_items &&
              ` · the newest ${contracts.length} of ${pagination.total_items}`}
          </span>
          <button
            type="button"
            className="button"
            aria-disabled={page >= total}
            onClick={() => page < total && setWanted(page + 1)}
          >
            Older
          </button>
        </nav>
      )}
    </>
  )
}

function ClosedContract({
  contract,
  onChoose,
  onPoint,
  onPick,
}: Omit<ClosedContractsProps, 'closed'> & { readonly contract: Contract }) {
  const { contract_id, contract_details: details } = contract
  const [{ zone }] = usePreferences()
  return (
    <li
      className="position closed"
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
      <Value label="Entry">{details.entry_spot ?? '–'}</Value>
      <Value label="Exit">{details.exit_spot ?? '–'}</Value>
      <Value label="Closed">
        {details.exit_time === null ? '–' : formatTime(details.exit_time, serverTime(Date.now()), zone)}
      </Value>
      <Value label="Result">{outcomeOf(contract)}</Value>
      <Value label="Payout received">{formatMoney(details.bid_price)}</Value>
      <span className={`profit ${profitDirection(details.profit_loss)}`}>
        <span className="caption">Profit</span> {formatProfit(details.profit_loss)}
      </span>
    </li>
  )
}
