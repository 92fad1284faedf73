import type { ProposalVariant } from '../../src/pricewire.js'
import { serverTime } from '../clock.js'
import { formatTime } from '../format.js'
import { usePreferences } from '../preferences.js'
import { VARIANTS } from './variants.js'

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
          <dt>{VARIANTS[variant].name} wins if</dt>
          <dd className="reason">{VARIANTS[variant].wins}</dd>
        </div>
      ))}
      <div>
        <dt>Current price</dt>
        <dd>{pricing_spot}</dd>
      </div>
      {barrier !== null && barrier !== pricing_spot && (
        <div>
          <dt>Barrier</dt>
          <dd>{barrier}</dd>
        </div>
      )}
      <div>
        <dt>Ends at</dt>
        <dd>
          {formatTime(contract_expiry_time, serverTime(Date.now()), zone)}
          {zone === 'utc' && <small> UTC</small>}
        </dd>
      </div>
    </dl>
  )
}
