import { useEffect, useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { Sold } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { formatMoney } from '../format.js'
import { RequestError, requestData } from '../requests.js'
import { endSession, SESSION_ENDED, type Session } from './session.js'

/** How long an error is shown, in milliseconds. */
const ERROR_SHOWN = 8000

interface SellButtonProps {
  readonly session: Session
  readonly contract: Contract
  readonly name: string
}

/** The button that sells a contract, with the price that it would sell for now. */
export function SellButton({ session, contract, name }: SellButtonProps) {
  const { contract_id, contract_details } = contract
  const { is_valid_to_sell, bid_price, bid_price_currency } = contract_details
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const isOff = isBusy || !is_valid_to_sell
  const text = isBusy ? 'Selling …' : `Sell ${formatMoney(bid_price)}`

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
      if (error instanceof RequestError && error.status === 401) endSession(SESSION_ENDED)
      setProblem(explain(error))
      setBusy(false)
    }
  }
  return (
    <span className="sell">
      <button
        type="button"
        className="button"
        aria-disabled={isOff}
        // The label starts with the visible text, so that users of voice control can say what they see.
        aria-label={`${text} ${bid_price_currency}, ${name}`}
        title={is_valid_to_sell ? 'Sell at this price' : 'This contract cannot be sold now'}
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

function sell({ token, account }: Session, contractId: string): Promise<Sold> {
  const query = new URLSearchParams({ contract_id: contractId, account_uuid: account.uuid })
  return requestData<Sold>(`/v1/trading/contracts/sell?${query}`, { method: 'POST', token })
}
