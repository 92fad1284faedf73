import type { ProposalVariant, Variant } from '../../src/pricewire.js'
import { formatMoney } from '../format.js'
import { Arrow } from '../icons.js'
import { returnPercent, VARIANTS } from './ticket_rules.js'

interface OfferProps {
  readonly variant: Variant
  /** What the variant would pay now; undefined while that is not known. */
  readonly details: ProposalVariant['contract_details'] | undefined
  readonly currency: string
  readonly isBuying: boolean
  readonly isDisabled: boolean
  readonly onPress: () => void
}

/** The button that buys a variant, with what it pays now. */
export function Offer({ variant, details, currency, isBuying, isDisabled, onPress }: OfferProps) {
  const { name, direction, wins } = VARIANTS[variant]
  const gain = details && returnPercent(details.stake, details.payout)
  const isOff = isDisabled || details === undefined
  return (
    <button
      type="button"
      className={`offer ${direction}`}
      data-variant={variant}
      // Not disabled: a button that loses the focus at every hiccup of the price is no use from the keyboard.
      aria-disabled={isOff}
      aria-busy={isBuying}
      title={`Pays if ${wins}`}
      onClick={() => {
        if (!isOff) onPress()
      }}
    >
      <span className="verb">
        <Arrow direction={direction} />
        {isBuying ? 'Buying …' : name}
      </span>
      <span className="return">
        {gain === undefined ? '–' : `${gain < 0 ? '−' : '+'}${Math.abs(gain).toFixed(1)} %`}
      </span>
      <span className="payout">
        <span className="caption">Payout</span> {details === undefined ? '–' : formatMoney(details.payout, currency)}
      </span>
    </button>
  )
}
