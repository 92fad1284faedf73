import { useEffect, useState } from 'react'
import type { DurationUnit, Instrument, Variant } from '../../src/pricewire.js'
import { useSession } from '../account/session.js'
import { Field, Segments } from '../fields.js'
import { formatMoney } from '../format.js'
import { type Proposal, useProposal } from '../live.js'
import { useConnection } from '../server.js'
import { Conditions } from './conditions.js'
import { Offer } from './offer.js'
import {
  check,
  type Draft,
  durationBounds,
  firstDraft,
  hasBarrier,
  hasEquals,
  VARIANTS,
  VARIANTS_OF,
} from './ticket_rules.js'
import { buying, useConfig, usePurchase, useSettled } from './ticket_state.js'
import type { Product, ProductConfig, ProductId } from './trading.js'

/** So long after the last keystroke the price of what was typed is asked for, in milliseconds. */
const SETTLE = 250

interface TicketProps {
  readonly instrument: Instrument
  readonly products: readonly Product[]
  readonly onLogin: () => void
  /** Is told where the barrier of what the ticket asks for lies now. */
  readonly onBarrier: (barrier: number | undefined) => void
}

/** The form that a contract is bought with, its live price on the two buttons. */
export function Ticket({ instrument, products, onLogin, onBarrier }: TicketProps) {
  const [product, setProduct] = useState<ProductId>(products[0]?.id ?? 'rise_fall')
  const { config, failure } = useConfig(product, instrument.id)
  const [draft, setDraft] = useState<Draft>()
  // What was typed for one product or instrument holds for the next as well; only a unit that it has not is changed.
  const fitted = config === undefined ? undefined : adapt(draft, config, product)
  const { session, ended } = useSession()
  const purchase = usePurchase()
  const connection = useConnection()
  const checked = config && fitted && check(fitted, config, instrument)
  const settled = useSettled(JSON.stringify(checked?.terms ?? null), SETTLE)
  const isSettled = checked?.terms !== undefined && settled === JSON.stringify(checked.terms)
  const proposal = useProposal(isSettled ? checked.terms : undefined)
  const barrier = hasBarrier(product) ? (proposal.variants?.[0]?.contract_details.barrier ?? undefined) : undefined

  useEffect(() => {
    onBarrier(barrier === undefined ? undefined : Number(barrier))
  }, [barrier, onBarrier])

  const change = (part: Partial<Draft>) => {
    if (fitted !== undefined) setDraft({ ...fitted, ...part })
    purchase.forget()
  }
  const press = (variant: Variant) => {
    const details = proposal.variants?.find((each) => each.variant === variant)?.contract_details
    if (session === undefined) return onLogin()
    if (checked?.terms === undefined || details === undefined) return
    const { product_id, ...rest } = checked.terms
    purchase.send(session, { product_id, proposal_details: { ...rest, variant, payout: details.payout } })
  }

  const currency = session?.account.currency ?? 'USD'
  return (
    <form className="ticket" aria-label="Trade ticket" onSubmit={(event) => event.preventDefault()}>
      <Segments
        label="Product"
        options={products.map(({ id, display_name }) => [id, display_name])}
        value={product}
        onChange={(product) => {
          setProduct(product)
          purchase.forget()
        }}
      />
      {config !== undefined && fitted !== undefined && checked !== undefined ? (
        <Fields
          draft={fitted}
          config={config}
          problems={checked.problems}
          currency={currency}
          barrier={barrier}
          onChange={change}
        />
      ) : (
        <p className="loading">{failure ?? 'Loading what can be traded …'}</p>
      )}
      <div className="offers">
        {VARIANTS_OF[product].map((variant) => (
          <Offer
            key={variant}
            variant={variant}
            details={proposal.variants?.find((each) => each.variant === variant)?.contract_details}
            currency={currency}
            isBuying={buying(purchase.state) === variant}
            isDisabled={
              !instrument.is_market_open ||
              connection.status !== 'open' ||
              buying(purchase.state) !== undefined ||
              (purchase.state.step === 'failed' && purchase.state.isOpen)
            }
            onPress={() => press(variant)}
          />
        ))}
      </div>
      <Outcome purchase={purchase} />
      {proposal.variants !== undefined && <Conditions variants={proposal.variants} />}
      <Advice
        isOpen={instrument.is_market_open}
        isLoggedIn={session !== undefined}
        ended={ended}
        proposal={proposal}
        onLogin={onLogin}
      />
    </form>
  )
}

interface FieldsProps {
  readonly draft: Draft
  readonly config: ProductConfig
  readonly problems: ReturnType<typeof check>['problems']
  readonly currency: string
  readonly barrier: string | undefined
  readonly onChange: (part: Partial<Draft>) => void
}

function Fields({ draft, config, problems, currency, barrier, onChange }: FieldsProps) {
  const { validations } = config
  const bounds = durationBounds(config, draft.unit)
  return (
    <>
      <div className="terms">
        <Field
          label="Stake"
          hint={`${formatMoney(validations.stake.min)} to ${formatMoney(validations.stake.max, currency)}`}
          problem={problems.stake}
        >
          {(ids) => (
            <span className="affixed">
              <input
                {...ids}
                inputMode="decimal"
                autoComplete="off"
                value={draft.stake}
                onChange={(event) => onChange({ stake: event.target.value })}
              />
              <span aria-hidden="true">{currency}</span>
            </span>
          )}
        </Field>
        <Field
          label="Duration"
          hint={bounds && `${bounds.min} to ${bounds.max} ${draft.unit}`}
          problem={problems.duration}
        >
          {(ids) => (
            <span className="affixed">
              <input
                {...ids}
                inputMode="numeric"
                autoComplete="off"
                value={draft.duration}
                onChange={(event) => onChange({ duration: event.target.value })}
              />
              <select
                aria-label="Unit of the duration"
                value={draft.unit}
                onChange={(event) => onChange({ unit: event.target.value as DurationUnit })}
              >
                {validations.durations.supported_units.map((unit) => (
                  <option key={unit}>{unit}</option>
                ))}
              </select>
            </span>
          )}
        </Field>
        {hasBarrier(draft.product) && (
          <Field
            label="Barrier"
            hint={barrier === undefined ? 'A price, or an offset such as +1.5' : `Now at ${barrier}`}
            problem={problems.barrier}
          >
            {(ids) => (
              <span className="affixed">
                <input
                  {...ids}
                  autoComplete="off"
                  placeholder="Automatic"
                  value={draft.barrier}
                  onChange={(event) => onChange({ barrier: event.target.value })}
                />
                {draft.barrier !== '' && (
                  <button type="button" onClick={() => onChange({ barrier: '' })}>
                    Automatic
                  </button>
                )}
              </span>
            )}
          </Field>
        )}
      </div>
      {hasEquals(draft.product) && (
        <label className="check">
          <input
            type="checkbox"
            checked={draft.allowEquals}
            onChange={(event) => onChange({ allowEquals: event.target.checked })}
          />
          An equal price wins too
        </label>
      )}
    </>
  )
}

/** What became of the last order. */
function Outcome({ purchase: { state, resend } }: { purchase: ReturnType<typeof usePurchase> }) {
  const { session } = useSession()
  return (
    <div className="outcome">
      <p role="status">
        {state.step === 'retrying' && 'No answer yet. Asking again …'}
        {state.step === 'bought' &&
          `Bought ${VARIANTS[state.order.proposal_details.variant].name} for ${formatMoney(state.bought.buy_price)}.`}
      </p>
      <p role="alert" className="problem">
        {state.step === 'failed' && state.message}
      </p>
      {state.step === 'failed' && state.isOpen && session !== undefined && (
        <button type="button" className="button" onClick={() => resend(session)}>
          Ask again
        </button>
      )}
    </div>
  )
}

interface AdviceProps {
  readonly isOpen: boolean
  readonly isLoggedIn: boolean
  readonly ended: string | undefined
  readonly proposal: Proposal
  readonly onLogin: () => void
}

/** What stands in the way of buying, if anything. */
function Advice({ isOpen, isLoggedIn, ended, proposal, onLogin }: AdviceProps) {
  if (!isOpen) return <p className="advice">This market is closed. Choose another, or wait until it opens.</p>
  if (proposal.problem !== undefined) return <p className="advice">{proposal.problem}</p>
  if (isLoggedIn) return null
  return (
    <p className="advice">
      {ended ?? 'These prices are live for everybody.'}{' '}
      <button type="button" className="link" onClick={onLogin}>
        Log in
      </button>{' '}
      {ended === undefined && 'to buy.'}
    </p>
  )
}

/** Returns a draft as a product can have it. */
function adapt(draft: Draft | undefined, config: ProductConfig, product: ProductId): Draft {
  const first = { ...firstDraft(config), product }
  if (draft === undefined) return first
  const isKnown = config.validations.durations.supported_units.includes(draft.unit)
  return { ...draft, product, ...(!isKnown && { unit: first.unit, duration: first.duration }) }
}
