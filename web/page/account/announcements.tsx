import { formatProfit, profitDirection } from '../format.js'
import { Icon } from '../icons.js'
import { texts } from '../texts/language.js'
import { outcomeOf } from './outcome.js'
import type { Settlement } from './settlements.js'

interface AnnouncementsProps {
  readonly settlements: readonly Settlement[]
  readonly onChoose: (instrumentId: string) => void
  readonly onDismiss: (contractId: string) => void
}

/** The contracts that have just closed, with their results: shown in a corner, and read by screen readers. */
export function Announcements({ settlements, onChoose, onDismiss }: AnnouncementsProps) {
  return (
    <div role="log" aria-label={texts.positions.results} aria-live="polite" aria-relevant="additions">
      <ul className="announcements">
        {settlements.map(({ contract: { contract_id, contract_details: details }, contract }) => (
          <li key={contract_id} className={profitDirection(details.profit_loss)} data-announced={contract_id}>
            <button type="button" className="result" onClick={() => onChoose(details.instrument_id)}>
              <b>
                {texts.contract.outcomes[outcomeOf(contract)]} {formatProfit(details.profit_loss)}{' '}
                {details.bid_price_currency}
              </b>
              <small>
                {texts.contract.variants[details.variant]} · {details.instrument_name}
              </small>
            </button>
            <button
              type="button"
              className="icon-button"
              aria-label={texts.positions.dismiss}
              title={texts.positions.dismiss}
              onClick={() => onDismiss(contract_id)}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
