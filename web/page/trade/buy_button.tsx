import type { ProposalVariant, Variant } from '../../src/pricewire.js'
import { formatMoney, formatPercent } from '../format.js'
import { Arrow } from '../icons.js'
import { sumOf } from '../money.js'
import { texts } from '../texts/language.js'
import { isOffered, returnPercent } from './ticket_rules.js'
import { DIRECTIONS } from './variants.js'

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
  const direction = DIRECTIONS[variant]
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
      title={texts.ticket.winsIf(texts.contract.wins[variant])}
      onClick={() => {
        if (!isOff) onPress()
      }}
    >
      <span className="verb">
        <Arrow direction={direction} />
        {isBuying ? texts.ticket.buying : texts.contract.variants[variant]}
      </span>
      <span className="return">
        {offered === undefined ? '–' : `+${formatPercent(returnPercent(offered.stake, offered.payout), 1)}`}
      </span>
      <span className="payout">
        {details !== undefined && offered === undefined ? (
          texts.ticket.notOffered
        ) : (
          <>
            <span className="caption">{texts.ticket.payout}</span>{' '}
            {offered === undefined ? '–' : formatMoney(offered.payout, currency)}
          </>
        )}
      </span>
      {offered !== undefined && (
        <span className="odds">
          {texts.ticket.odds(
            formatPercent(100 * offered.probability, 1),
            formatMoney(sumOf([offered.payout, `-${offered.stake}`])),
            formatMoney(offered.stake),
          )}
        </span>
      )}
    </button>
  )
}
