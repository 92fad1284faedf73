import { useEffect, useRef, useState } from 'react'
import type { Contract, DurationUnit, Instrument, Variant } from '../../src/pricewire.js'
import type { Product, ProductConfig } from '../../src/schema.js'
import { useSession } from '../account/session.js'
import { TryDemo } from '../account/try_demo.js'
import { useConnection } from '../connection.js'
import { Field, Segments } from '../fields.js'
import { formatCount, formatMoney, formatSpot } from '../format.js'
import { currentPreferences } from '../preferences.js'
import { TYPING_PAUSE, useSettled } from '../settled.js'
import { texts } from '../texts/language.js'
import { readNumber, writeNumber } from '../typed_number.js'
import { BuyButton } from './buy_button.js'
import { Chips } from './chips.js'
import { Conditions } from './conditions.js'
import { useProductConfig } from './products.js'
import { type Proposal, useProposal } from './proposal.js'
import { Stepper } from './stepper.js'
import {
  adapt,
  check,
  type Draft,
  durationBounds,
  durationChips,
  hasBarrier,
  hasEquals,
  isOffered,
  stakeChips,
  stepAmount,
  withUnit,
} from './ticket_rules.js'
import { Tolerance } from './tolerance.js'
import { buying, usePurchase } from './use_purchase.js'
import { VARIANTS_OF } from './variants.js'

interface TicketProps {
  readonly instrument: Instrument
  readonly products: readonly Product[]
  /** What the user has chosen; the first product if it is none of them. */
  readonly product: string | undefined
  readonly onProduct: (product: Product['id']) => void
  /** What the account has; undefined while it is not known. */
  readonly balance: number | undefined
  /** The newest closed contracts of the account. */
  readonly closed: readonly Contract[]
  readonly onLogin: () => void
  /** The price that the user has dragged the barrier to, on the chart; undefined once it has been taken over. */
  readonly dragged: number | undefined
  readonly onDragged: () => void
  /** Called with the current barrier of the contract that the ticket describes. */
  readonly onBarrier: (barrier: number | undefined) => void
}

/** The form to buy a contract, with the live price on its two buttons; it begins anew for an account in another currency. */
export function Ticket(props: TicketProps) {
  const { session } = useSession()
  const currency = session?.account.currency ?? 'USD'
  return <TicketIn key={currency} currency={currency} {...props} />
}

function TicketIn({
  currency,
  instrument,
  products,
  product: wanted,
  onProduct,
  balance,
  closed,
  dragged,
  onDragged,
  onLogin,
  onBarrier,
}: TicketProps & { readonly currency: string }) {
  const product = (products.find(({ id }) => id === wanted) ?? products[0])?.id ?? 'rise_fall'
  const { config, failure } = useProductConfig(product, instrument.id, currency)
  const [draft, setDraft] = useState<Draft>()
  const fitted = config === undefined ? undefined : adapt(draft, config, product, instrument.id)
  const { session, isRefused } = useSession()
  const purchase = usePurchase()
  const connection = useConnection()
  const checked = config && fitted && check(fitted, config, instrument)
  const settled = useSettled(JSON.stringify(checked?.terms ?? null), TYPING_PAUSE)
  const isSettled = checked?.terms !== undefined && settled === JSON.stringify(checked.terms)
  const proposal = useProposal(isSettled ? checked.terms : undefined, currency)
  const barrier = hasBarrier(product) ? (proposal.variants?.[0]?.contract_details.barrier ?? undefined) : undefined

  useEffect(() => {
    onBarrier(barrier === undefined ? undefined : Number(barrier))
  }, [barrier, onBarrier])

  const bought = purchase.state.step === 'bought' ? purchase.state.bought.contract_id : undefined
  const isOver = session === undefined || closed.some(({ contract_id }) => contract_id === bought)
  // biome-ignore lint/correctness/useExhaustiveDependencies: `purchase` is a new object in each rendering.
  useEffect(() => {
    if (isOver) purchase.clear()
  }, [isOver])

  const change = (part: Partial<Draft>) => {
    if (fitted !== undefined) setDraft({ ...fitted, ...part })
    purchase.clear()
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: the functions are new ones in each rendering.
  useEffect(() => {
    if (dragged === undefined) return
    change({ barrier: writeNumber(dragged.toFixed(instrument.pip_size)) })
    onDragged()
  }, [dragged])

  const press = (variant: Variant) => {
    const details = proposal.variants?.find((each) => each.variant === variant)?.contract_details
    if (session === undefined) return onLogin()
    if (checked?.terms === undefined || details === undefined || !isOffered(details.stake, details.payout)) return
    const { product_id, ...rest } = checked.terms
    const { payout } = details
    const { tolerance } = currentPreferences()
    purchase.send(session, { product_id, proposal_details: { ...rest, variant, payout, tolerance } })
  }

  return (
    <form className="ticket" aria-label={texts.ticket.label} onSubmit={(event) => event.preventDefault()}>
      <Segments
        label={texts.ticket.product}
        options={products.map(({ id }) => [id, texts.ticket.products[id]])}
        value={product}
        onChange={(product) => {
          onProduct(product)
          purchase.clear()
        }}
      />
      {config !== undefined && fitted !== undefined && checked !== undefined ? (
        <Fields
          draft={fitted}
          config={config}
          problems={checked.problems}
          balance={balance}
          currency={currency}
          barrier={barrier}
          onChange={change}
        />
      ) : (
        <p className="loading">{failure ?? texts.ticket.loading}</p>
      )}
      <div className="offers">
        {VARIANTS_OF[product].map((variant) => (
          <BuyButton
            key={variant}
            variant={variant}
            details={proposal.variants?.find((each) => each.variant === variant)?.contract_details}
            currency={currency}
            isBuying={buying(purchase.state) === variant}
            isDisabled={
              proposal.isStale ||
              !instrument.is_market_open ||
              connection.status !== 'open' ||
              buying(purchase.state) !== undefined ||
              (purchase.state.step === 'failed' && purchase.state.isUnknown)
            }
            onPress={() => press(variant)}
          />
        ))}
      </div>
      <Outcome purchase={purchase} />
      <Advice
        isOpen={instrument.is_market_open}
        isLoggedIn={session !== undefined}
        isRefused={isRefused}
        proposal={proposal}
        onLogin={onLogin}
      />
      <Tolerance />
      {proposal.variants !== undefined && <Conditions variants={proposal.variants} />}
    </form>
  )
}

interface FieldsProps {
  readonly draft: Draft
  readonly config: ProductConfig
  readonly problems: ReturnType<typeof check>['problems']
  readonly balance: number | undefined
  readonly currency: string
  readonly barrier: string | undefined
  readonly onChange: (part: Partial<Draft>) => void
}

function Fields({ draft, config, problems, balance, currency, barrier, onChange }: FieldsProps) {
  const { validations } = config
  const bounds = durationBounds(config, draft.unit)
  return (
    <>
      <div className="terms">
        <Field
          label={texts.ticket.stake}
          hint={texts.ticket.range(formatMoney(validations.stake.min), formatMoney(validations.stake.max, currency))}
          problem={
            problems.stake ??
            (balance !== undefined && Number(readNumber(draft.stake)) > balance ? texts.ticket.aboveBalance : undefined)
          }
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
              <Stepper
                less={texts.ticket.lessStake}
                more={texts.ticket.moreStake}
                onStep={(steps) =>
                  onChange({
                    stake: stepAmount(
                      draft.stake,
                      steps,
                      Number(validations.stake.min),
                      Number(validations.stake.max),
                      false,
                    ),
                  })
                }
              />
              <span aria-hidden="true">{currency}</span>
            </span>
          )}
        </Field>
        <Chips
          label={texts.ticket.stakes}
          options={stakeChips(config, balance)}
          value={draft.stake}
          onChoose={(stake) => onChange({ stake })}
        />
        <Field
          label={texts.ticket.duration}
          hint={texts.ticket.range(formatCount(bounds.min), texts.contract.duration(bounds.max, draft.unit))}
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
              <Stepper
                less={texts.ticket.lessDuration}
                more={texts.ticket.moreDuration}
                onStep={(steps) =>
                  onChange({ duration: stepAmount(draft.duration, steps, bounds.min, bounds.max, true) })
                }
              />
              <select
                aria-label={texts.ticket.unit}
                value={draft.unit}
                onChange={(event) => onChange(withUnit(draft, config, event.target.value as DurationUnit))}
              >
                {validations.durations.supported_units.map((unit) => (
                  <option key={unit} value={unit}>
                    {texts.ticket.units[unit]}
                  </option>
                ))}
              </select>
            </span>
          )}
        </Field>
        <Chips
          label={texts.ticket.durations}
          options={durationChips(config, draft.unit)}
          value={draft.duration}
          onChoose={(duration) => onChange({ duration })}
        />
        {hasBarrier(draft.product) && (
          <Field
            label={texts.ticket.barrier}
            hint={
              barrier === undefined
                ? texts.ticket.barrierHint(`+${writeNumber('1.5')}`)
                : texts.ticket.barrierNow(formatSpot(barrier))
            }
            problem={problems.barrier}
          >
            {(ids) => (
              <span className="affixed">
                <input
                  {...ids}
                  autoComplete="off"
                  placeholder={texts.ticket.automatic}
                  value={draft.barrier}
                  onChange={(event) => onChange({ barrier: event.target.value })}
                />
                {draft.barrier !== '' && (
                  <button type="button" onClick={() => onChange({ barrier: '' })}>
                    {texts.ticket.automatic}
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
          {texts.ticket.equals}
        </label>
      )}
    </>
  )
}

/** The result of the last order. */
function Outcome({ purchase: { state, resend } }: { purchase: ReturnType<typeof usePurchase> }) {
  const { session } = useSession()
  const { step } = state
  const box = useRef<HTMLDivElement>(null)
  // On a phone the pressed button may be the last thing in view.
  useEffect(() => {
    if (step !== 'idle') box.current?.scrollIntoView({ block: 'nearest' })
  }, [step])
  return (
    <div className="outcome" ref={box}>
      <p role="status">
        {state.step === 'retrying' && texts.ticket.noAnswer}
        {state.step === 'bought' &&
          texts.ticket.bought(
            texts.contract.variants[state.order.proposal_details.variant],
            formatMoney(state.bought.buy_price),
          )}
      </p>
      <p role="alert" className="problem">
        {state.step === 'failed' && (state.isUnknown ? texts.ticket.unknown : state.message)}
      </p>
      {state.step === 'failed' && state.isUnknown && session !== undefined && (
        <button type="button" className="button" onClick={() => resend(session)}>
          {texts.ticket.askAgain}
        </button>
      )}
    </div>
  )
}

interface AdviceProps {
  readonly isOpen: boolean
  readonly isLoggedIn: boolean
  /** Whether the server has ended the session. */
  readonly isRefused: boolean
  readonly proposal: Proposal
  readonly onLogin: () => void
}

/** Why the user cannot buy now, if something prevents it. */
function Advice({ isOpen, isLoggedIn, isRefused, proposal, onLogin }: AdviceProps) {
  if (!isOpen) return <p className="advice">{texts.ticket.closed}</p>
  if (proposal.problem !== undefined) return <p className="advice">{proposal.problem}</p>
  if (isLoggedIn) return null
  return (
    <>
      {!isRefused && <TryDemo />}
      <p className="advice">
        {isRefused ? texts.login.ended : texts.ticket.everybody}{' '}
        <button type="button" className="link" onClick={onLogin}>
          {isRefused ? texts.ticket.logIn : texts.ticket.logInToBuy}
        </button>
      </p>
    </>
  )
}
