import { useEffect, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { Sold } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { RequestError, requestData } from '../requests.js'
import { texts } from '../texts/language.js'
import { outcomeOf } from './outcome.js'
import { endSession, type Session } from './session.js'

/** How long an error is shown, in milliseconds. */
const ERROR_SHOWN = 8000

interface SellButtonProps {
  readonly session: Session
  readonly contract: Contract
  /** Whether the contract has just closed: the button says how, and stays where it is, with the focus. */
  readonly isClosed: boolean
  /** Whether the price may be out of date, so that nobody should sell at it. */
  readonly isStale: boolean
  readonly name: string
}

/** The button that sells a contract, with the price that it would sell for now. */
export function SellButton({ session, contract, isClosed, isStale, name }: SellButtonProps) {
  const { contract_id, contract_details } = contract
  const { is_valid_to_sell, bid_price, bid_price_currency } = contract_details
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const isOff = isBusy || isClosed || isStale || !is_valid_to_sell
  const text = isClosed ? resultOf(contract) : isBusy ? texts.sell.selling : texts.sell.sell(formatMoney(bid_price))
  const hint = isClosed
    ? texts.sell.closedHint
    : isStale
      ? texts.sell.outOfDateHint
      : is_valid_to_sell
        ? texts.sell.hint
        : texts.sell.notNowHint

  useEffect(() => {
    if (problem === undefined) return
    const timer = setTimeout(() => setProblem(undefined), ERROR_SHOWN)
    return () => clearTimeout(timer)
  }, [problem])

  const press = async () => {
    if (isOff) return
    setBusy(true)
    setProblem(undefined)
    try {
      await sell(session, contract_id)
    } catch (error) {
      if (error instanceof RequestError && error.status === 401) endSession('refused')
      setProblem(explain(error))
      setBusy(false)
    }
  }
  return (
    <span className="sell">
      <button
        type="button"
        className={`button ${isClosed ? profitDirection(contract_details.profit_loss) : ''}`}
        aria-disabled={isOff}
        // The label starts with the visible text, so that users of voice control can say what they see.
        aria-label={isClosed ? `${text}, ${name}` : `${text} ${bid_price_currency}, ${name}`}
        title={hint}
        onClick={press}
      >
        {text}
      </button>
      <span role="alert" className="problem">
        {problem}
      </span>
    </span>
  )
}

/** Returns how a contract has closed, `Sold +0.86`; only that it has, until the server has said how. */
function resultOf(contract: Contract): string {
  const { exit_time, profit_loss } = contract.contract_details
  return exit_time === null
    ? texts.sell.closed
    : `${texts.contract.outcomes[outcomeOf(contract)]} ${formatProfit(profit_loss)}`
}

function sell({ token, account }: Session, contractId: string): Promise<Sold> {
  const query = new URLSearchParams({ contract_id: contractId, account_uuid: account.uuid })
  return requestData<Sold>(`/v1/trading/contracts/sell?${query}`, { method: 'POST', token })
}
