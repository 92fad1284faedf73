import type { Contract } from '../../src/pricewire.js'
import { serverTime, useNow } from '../clock.js'
import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { VARIANTS } from '../trade/variants.js'
import { ContractName, Value } from './contract_cells.js'
import { progressOf } from './contracts.js'
import { SellButton } from './sell_button.js'
import type { Session } from './session.js'

interface OpenContractsProps {
  readonly session: Session
  /** Undefined while they load. */
  readonly contracts: readonly Contract[] | undefined
  readonly onChoose: (instrumentId: string) => void
}

/** The open contracts, newest first. */
export function OpenContracts({ session, contracts, onChoose }: OpenContractsProps) {
  if (contracts === undefined) return <p className="empty">Loading your contracts …</p>
  if (contracts.length === 0)
    return <p className="empty">No open contract. Buy one with the trade ticket, and watch it here.</p>
  const newestFirst = [...contracts].sort(
    (one, other) => other.contract_details.contract_start_time - one.contract_details.contract_start_time,
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
      <ul className="list">
        {newestFirst.map((contract) => (
          <OpenContract key={contract.contract_id} session={session} contract={contract} onChoose={onChoose} />
        ))}
      </ul>
    </>
  )
}

interface OpenContractProps {
  readonly session: Session
  readonly contract: Contract
  readonly onChoose: (instrumentId: string) => void
}

function OpenContract({ session, contract, onChoose }: OpenContractProps) {
  const { contract_id, contract_details: details } = contract
  const { name } = VARIANTS[details.variant]
  const now = serverTime(useNow(details.duration_unit !== 'ticks'))
  const progress = progressOf(contract, now)
  return (
    <li className="position" data-contract={contract_id}>
      <ContractName contract={contract} onChoose={onChoose} />
      <Value label="Stake">{formatMoney(details.stake)}</Value>
      <Value label="Payout">{formatMoney(details.potential_payout)}</Value>
      <Value label="Entry">{details.entry_spot ?? 'next tick'}</Value>
      <Value label="Barrier">{details.barrier ?? '–'}</Value>
      <span className="left">
        <span className="caption">Left</span> {progress.text}
        <i aria-hidden="true" style={{ scale: `${1 - progress.share} 1` }} />
      </span>
      <span className={`profit ${profitDirection(details.profit_loss)}`}>
        <span className="caption">Profit</span> {formatProfit(details.profit_loss)}
      </span>
      <SellButton session={session} contract={contract} name={`${name} on ${details.instrument_name}`} />
    </li>
  )
}
