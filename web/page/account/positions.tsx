import { useEffect, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import { explain } from '../error_text.js'
import { Segments } from '../fields.js'
import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { useNow } from '../hooks.js'
import { Arrow } from '../icons.js'
import { serverTime } from '../markets/price.js'
import { RequestError } from '../requests.js'
import { VARIANTS } from '../trade/ticket_rules.js'
import { sell } from '../trade/trading.js'
import { Closed } from './closed.js'
import { progressOf, totalProfit } from './contracts.js'
import { endSession, type Session, useSession } from './session.js'

interface PositionsProps {
  /** Undefined while they load. */
  readonly contracts: readonly Contract[] | undefined
  readonly onChoose: (instrumentId: string) => void
  readonly onLogin: () => void
}

/** The account's contracts: the open ones, live, and the closed ones. */
export function Positions({ contracts, onChoose, onLogin }: PositionsProps) {
  const { session, isRestoring } = useSession()
  const [shown, setShown] = useState<'open' | 'closed'>('open')
  const total = totalProfit(contracts ?? [])
  return (
    <section className="positions card" aria-label="Positions" data-live={session !== undefined}>
      <header>
        <h2>Positions</h2>
        <Segments
          label="Which contracts"
          options={[
            ['open', `Open ${contracts === undefined ? '' : contracts.length}`.trim()],
            ['closed', 'Closed'],
          ]}
          value={shown}
          onChange={setShown}
        />
        {shown === 'open' && contracts !== undefined && contracts.length > 0 && (
          <span className="total">
            <span className="caption">Profit and loss</span>{' '}
            <b className={profitDirection(total.toFixed(2))}>{formatProfit(total.toFixed(2))}</b>
          </span>
        )}
      </header>
      {session === undefined ? (
        <p className="empty">
          {isRestoring ? (
            'Looking at your session …'
          ) : (
            <>
              Your contracts appear here.{' '}
              <button type="button" className="link" onClick={onLogin}>
                Log in
              </button>
            </>
          )}
        </p>
      ) : shown === 'closed' ? (
        <Closed session={session} onChoose={onChoose} />
      ) : (
        <Open session={session} contracts={contracts} onChoose={onChoose} />
      )}
    </section>
  )
}

interface OpenProps {
  readonly session: Session
  readonly contracts: readonly Contract[] | undefined
  readonly onChoose: (instrumentId: string) => void
}

function Open({ session, contracts, onChoose }: OpenProps) {
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
          <Position key={contract.contract_id} session={session} contract={contract} onChoose={onChoose} />
        ))}
      </ul>
    </>
  )
}

interface PositionProps {
  readonly session: Session
  readonly contract: Contract
  readonly onChoose: (instrumentId: string) => void
}

function Position({ session, contract, onChoose }: PositionProps) {
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
      <Sell session={session} contract={contract} name={`${name} on ${details.instrument_name}`} />
    </li>
  )
}

/** Which side of what a contract is; it leads to the instrument's chart. */
export function ContractName({ contract, onChoose }: { contract: Contract; onChoose: (instrumentId: string) => void }) {
  const { variant, instrument_name, instrument_id, duration, duration_unit } = contract.contract_details
  const { name, direction } = VARIANTS[variant]
  return (
    <button type="button" className="contract" onClick={() => onChoose(instrument_id)}>
      <span className={`badge ${direction}`}>
        <Arrow direction={direction} />
      </span>
      <span className="name">
        <b>{name}</b>
        <small>
          {duration} {duration === 1 ? duration_unit.slice(0, -1) : duration_unit} · {instrument_name}
        </small>
      </span>
    </button>
  )
}

/** A value under the name of its column; the name is heard, and on a phone seen. */
export function Value({ label, children }: { label: string; children: string }) {
  return (
    <span className="value">
      <span className="caption">{label}</span> {children}
    </span>
  )
}

interface SellProps {
  readonly session: Session
  readonly contract: Contract
  readonly name: string
}

/** The button that sells a contract, with what it would bring now. */
function Sell({ session, contract, name }: SellProps) {
  const { contract_id, contract_details } = contract
  const { is_valid_to_sell, bid_price, bid_price_currency } = contract_details
  const [isBusy, setBusy] = useState(false)
  const [trouble, setTrouble] = useState<string>()
  const isOff = isBusy || !is_valid_to_sell
  const text = isBusy ? 'Selling …' : `Sell ${formatMoney(bid_price)}`

  useEffect(() => {
    if (trouble === undefined) return
    const timer = setTimeout(() => setTrouble(undefined), 8000)
    return () => clearTimeout(timer)
  }, [trouble])

  const press = async () => {
    if (isOff) return
    setBusy(true)
    setTrouble(undefined)
    try {
      await sell(session, contract_id)
    } catch (error) {
      if (error instanceof RequestError && error.status === 401)
        endSession('Your session has ended. Log in again to trade.')
      setTrouble(explain(error))
      setBusy(false)
    }
  }
  return (
    <span className="sell">
      <button
        type="button"
        className="button"
        aria-disabled={isOff}
        // It begins with what is seen, so that who speaks to the page can name it.
        aria-label={`${text} ${bid_price_currency}, ${name}`}
        title={is_valid_to_sell ? 'Sell at this price' : 'It cannot be sold now'}
        onClick={press}
      >
        {text}
      </button>
      <span role="alert" className="problem">
        {trouble}
      </span>
    </span>
  )
}
