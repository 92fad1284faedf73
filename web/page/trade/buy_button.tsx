import type { ProposalVariant, Variant } from '../../src/pricewire.js'
import { formatMoney } from '../format.js'
import { Arrow } from '../icons.js'
import { sumOf } from '../money.js'
import { isOffered, returnPercent } from './ticket_rules.js'
import { VARIANTS } from './variants.js'

interface BuyButtonProps {
  readonly variant: Variant
  /** The current price of the variant; undefined while it is not known. */
  readonly details: ProposalVariant['contract_details'] | undefined
  readonly currency: string
  readonly isBuying: boolean
  readonly isDisabled: boolean
  readonly onPress: () => void
}

/** Those that bet on no direction, so that they are neither green nor red. */
const NEUTRAL: readonly Variant[] = ['touch', 'no_touch']

/** The button that buys a variant, with the current payout. */
export function BuyButton({ variant, details, currency, isBuying, isDisabled, onPress }: BuyButtonProps) {
  const { name, direction, wins } = VARIANTS[variant]
  const offered = details !== undefined && isOffered(details.stake, details.payout) ? details : undefined
  const isOff = isDisabled || offered === undefined
  return (
    <button
      type="button"
      className={`offer ${NEUTRAL.includes(variant) ? variant : direction}`}
      data-variant={variant}
      // Not `disabled`: the button would lose the keyboard focus whenever the price is missing for a moment.
      aria-disabled={isOff}
      aria-busy={isBuying}
      title={`Wins if ${wins}`}
      onClick={() => {
        if (!isOff) onPress()
      }}
    >
      <span className="verb">
        <Arrow direction={direction} />
        {isBuying ? 'Buying …' : name}
      </span>
      <span className="return">
        {offered === undefined ? '–' : `+${returnPercent(offered.stake, offered.payout).toFixed(1)} %`}
      </span>
      <span className="payout">
        {details !== undefined && offered === undefined ? (
          'Not offered: it would pay no more than the stake'
        ) : (
          <>
            <span className="caption">Payout</span>{' '}
            {offered === undefined ? '–' : formatMoney(offered.payout, currency)}
          </>
        )}
      </span>
      {offered !== undefined && (
        <span className="odds">
          {(100 * offered.probability).toFixed(1)} % chance · win{' '}
          {formatMoney(sumOf([offered.payout, `-${offered.stake}`]))}, lose {formatMoney(offered.stake)}
        </span>
      )}
    </button>
  )
}
