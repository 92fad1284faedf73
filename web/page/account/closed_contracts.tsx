import { useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { ClosedContractsBody } from '../../src/schema.js'
import { serverTime } from '../clock.js'
import { formatCount, formatMoney, formatProfit, formatSpot, formatTime, profitDirection } from '../format.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import { ContractName, Value } from './contract_cells.js'
import { outcomeOf } from './outcome.js'

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
  if (closed === undefined) return <p className="empty">{texts.positions.loadingClosed}</p>
  if (closed.contracts.length === 0) return <p className="empty">{texts.positions.noneClosed}</p>
  const { contracts, pagination } = closed
  const { columns } = texts
  const total = Math.ceil(contracts.length / PER_PAGE)
  const page = Math.min(wanted, total)
  return (
    <>
      <div className="position columns closed" aria-hidden="true">
        <span>{columns.contract}</span>
        <span>{columns.stake}</span>
        <span>{columns.entry}</span>
        <span>{columns.exit}</span>
        <span>{zone === 'utc' ? columns.closedUtc : columns.closed}</span>
        <span>{columns.result}</span>
        <span>{columns.payoutReceived}</span>
        <span>{columns.profit}</span>
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
        <nav className="pages" aria-label={texts.positions.pages}>
          <button
            type="button"
            className="button"
            aria-disabled={page <= 1}
            onClick={() => page > 1 && setWanted(page - 1)}
          >
            {texts.positions.newer}
          </button>
          <span>
            {texts.positions.page(page, total)}
            {contracts.length < pagination.total_items &&
              texts.positions.newest(formatCount(contracts.length), formatCount(pagination.total_items))}
          </span>
          <button
            type="button"
            className="button"
            aria-disabled={page >= total}
            onClick={() => page < total && setWanted(page + 1)}
          >
            {texts.positions.older}
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
  const { columns } = texts
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
      <Value label={columns.stake}>{formatMoney(details.stake)}</Value>
      <Value label={columns.entry}>{formatSpot(details.entry_spot)}</Value>
      <Value label={columns.exit}>{formatSpot(details.exit_spot)}</Value>
      <Value label={columns.closed}>
        {details.exit_time === null ? '–' : formatTime(details.exit_time, serverTime(Date.now()), zone)}
      </Value>
      <Value label={columns.result}>{texts.contract.outcomes[outcomeOf(contract)]}</Value>
      <Value label={columns.payoutReceived}>{formatMoney(details.bid_price)}</Value>
      <span className={`profit ${profitDirection(details.profit_loss)}`}>
        <span className="caption">{columns.profit}</span> {formatProfit(details.profit_loss)}
      </span>
    </li>
  )
}
