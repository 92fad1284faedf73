import type { ProposalVariant } from '../../src/pricewire.js'
import { serverTime } from '../clock.js'
import { formatSpot, formatTime } from '../format.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'

/** When each variant of the ticket's contract wins, and when it ends. */
export function Conditions({ variants }: { variants: readonly ProposalVariant[] }) {
  const [first] = variants
  const [{ zone }] = usePreferences()
  if (first === undefined) return null
  const { pricing_spot, barrier, contract_expiry_time } = first.contract_details
  return (
    <dl className="conditions">
      {variants.map(({ variant }) => (
        <div key={variant}>
          <dt>{texts.ticket.variantWinsIf(texts.contract.variants[variant])}</dt>
          <dd className="reason">{texts.contract.wins[variant]}</dd>
        </div>
      ))}
      <div>
        <dt>{texts.ticket.currentPrice}</dt>
        <dd>{formatSpot(pricing_spot)}</dd>
      </div>
      {barrier !== null && barrier !== pricing_spot && (
        <div>
          <dt>{texts.ticket.barrier}</dt>
          <dd>{formatSpot(barrier)}</dd>
        </div>
      )}
      <div>
        <dt>{texts.ticket.endsAt}</dt>
        <dd>
          {formatTime(contract_expiry_time, serverTime(Date.now()), zone)}
          {zone === 'utc' && <small> {texts.chart.utc}</small>}
        </dd>
      </div>
    </dl>
  )
}
