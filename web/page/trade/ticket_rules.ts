import type { DurationUnit } from '../../src/pricewire.js'
import type { DurationBounds, Product, ProductConfig } from '../../src/schema.js'
import { formatCount, formatMoney } from '../format.js'
import { texts } from '../texts/language.js'
import { readNumber, writeNumber } from '../typed_number.js'

/** The fields of the ticket, as the user typed them. */
export interface Draft {
  readonly product: Product['id']
  /** The instrument that the barrier was typed for. */
  readonly instrumentId: string
  readonly stake: string
  readonly duration: string
  readonly unit: DurationUnit
  /** Empty: the server chooses the barrier. */
  readonly barrier: string
  readonly allowEquals: boolean
}

/** The terms of a valid draft: the server can quote a price for them. */
export interface Terms {
  readonly product_id: Product['id']
  readonly instrument_id: string
  readonly duration: number
  readonly duration_unit: DurationUnit
  readonly allow_equals: boolean
  readonly stake: string
  readonly barrier?: string
}

/** What is wrong with a draft, by field. */
export type Problems = Partial<Record<'stake' | 'duration' | 'barrier', string>>

/** Returns whether a product has a barrier that differs from the entry price. */
export function hasBarrier(product: Product['id']): boolean {
  return product !== 'rise_fall'
}

/** Returns whether the user can choose who wins if the price is unchanged. */
export function hasEquals(product: Product['id']): boolean {
  return product === 'rise_fall'
}

/** Returns the shortest and the longest duration, counted in a unit. */
export function durationBounds({ validations }: ProductConfig, unit: DurationUnit): DurationBounds {
  return validations.durations[unit]
}

/** Returns the draft that the ticket starts with. */
export function firstDraft({ defaults }: ProductConfig, instrumentId: string): Draft {
  return {
    product: defaults.product_id,
    instrumentId,
    stake: writeNumber(defaults.stake),
    duration: String(defaults.duration),
    unit: defaults.duration_unit,
    barrier: '',
    // Where the user has no choice, the default must not become the choice for another product.
    allowEquals: hasEquals(defaults.product_id) && defaults.allow_equals,
  }
}

/**
 * Returns a draft for another product or instrument. What was typed stays, except for a duration in a unit that the product does not have, and
 * a barrier that is a price of another instrument.
 */
export function adapt(
  draft: Draft | undefined,
  config: ProductConfig,
  product: Product['id'],
  instrumentId: string,
): Draft {
  const first = { ...firstDraft(config, instrumentId), product }
  if (draft === undefined) return first
  const isKnown = config.validations.durations.supported_units.includes(draft.unit)
  const isOwn = draft.instrumentId === instrumentId || /^[+\-−]/.test(draft.barrier.trim())
  return {
    ...draft,
    product,
    instrumentId,
    ...(!isKnown && { unit: first.unit, duration: first.duration }),
    ...(!isOwn && { barrier: '' }),
  }
}

/** Returns a draft with another unit of its duration; a number that the unit does not allow becomes the nearest that it does. */
export function withUnit(draft: Draft, config: ProductConfig, unit: DurationUnit): Draft {
  const { min, max } = durationBounds(config, unit)
  const duration = Number(readNumber(draft.duration))
  return { ...draft, unit, duration: duration > 0 ? String(Math.min(max, Math.max(min, duration))) : draft.duration }
}

/**
 * Returns what is wrong with a draft or, if nothing is, its terms.
 *
 * A stake may have as many decimals as the server's limits have, a barrier as many as the instrument's prices have.
 */
export function check(
  draft: Draft,
  config: ProductConfig,
  instrument: { readonly id: string; readonly pip_size: number },
): { readonly problems: Problems; readonly terms: Terms | undefined } {
  const problems: Problems = {}
  const { min, max } = config.validations.stake
  const decimals = decimalsOf(min)
  const example = config.defaults.stake.toFixed(decimals)
  const stake = readNumber(draft.stake)
  if (stake === undefined || /^[+-]/.test(stake)) problems.stake = texts.ticket.enterAmount(writeNumber(example))
  else if (decimalsOf(stake) > decimals) problems.stake = texts.ticket.tooManyDecimals(decimals)
  else if (Number(stake) < Number(min) || Number(stake) > Number(max))
    problems.stake = texts.ticket.outOfRange(formatMoney(min), formatMoney(max))

  const bounds = durationBounds(config, draft.unit)
  const duration = readNumber(draft.duration) ?? ''
  if (!/^\d{1,9}$/.test(duration)) problems.duration = texts.ticket.enterWhole
  else if (Number(duration) < bounds.min || Number(duration) > bounds.max)
    problems.duration = texts.ticket.outOfRange(
      formatCount(bounds.min),
      texts.contract.duration(bounds.max, draft.unit),
    )

  const hasOwnBarrier = hasBarrier(draft.product) && draft.barrier.trim() !== ''
  const barrier = hasOwnBarrier ? readNumber(draft.barrier) : undefined
  if (hasOwnBarrier && (barrier === undefined || decimalsOf(barrier) > instrument.pip_size))
    problems.barrier = texts.ticket.enterBarrier(
      `+${writeNumber((10 ** -instrument.pip_size).toFixed(instrument.pip_size))}`,
    )

  if (Object.keys(problems).length > 0) return { problems, terms: undefined }
  const terms = {
    product_id: draft.product,
    instrument_id: instrument.id,
    duration: Number(duration),
    duration_unit: draft.unit,
    // Where the user has no choice, the product's default holds.
    allow_equals: hasEquals(draft.product) ? draft.allowEquals : config.defaults.allow_equals,
    stake: Number(stake).toFixed(decimals),
    ...(barrier !== undefined && { barrier }),
  }
  return { problems, terms }
}

/** Returns a few stakes to choose from: round amounts from the smallest that the server takes, of which the balance covers each. */
export function stakeChips({ validations }: ProductConfig, balance: number | undefined): string[] {
  const min = Number(validations.stake.min)
  const most = Math.min(Number(validations.stake.max), balance ?? Number.POSITIVE_INFINITY)
  return [5, 10, 25, 100]
    .map((times) => min * times)
    .filter((stake) => stake <= most)
    .map(writeNumber)
}

/** The durations to choose from, by unit. */
const DURATIONS: Readonly<Record<DurationUnit, readonly number[]>> = {
  ticks: [1, 5, 10],
  seconds: [15, 30, 45],
  minutes: [1, 5, 15, 30],
  hours: [1, 4, 12],
  days: [1, 7, 30],
}

/** Returns a few durations in a unit to choose from. */
export function durationChips(config: ProductConfig, unit: DurationUnit): string[] {
  const { min, max } = durationBounds(config, unit)
  return DURATIONS[unit].filter((duration) => duration >= min && duration <= max).map(String)
}

/**
 * Returns an amount that is a step larger or smaller, within the limits. The step is a tenth of the amount's magnitude, rounded down: 1 from 10 to
 * 99, 10 from 100 to 999.
 */
export function stepAmount(text: string, steps: 1 | -1, min: number, max: number, isWhole: boolean): string {
  const amount = Number(readNumber(text))
  if (!Number.isFinite(amount)) return text
  // A step down from 100 is one of the amounts below it.
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(amount + (steps < 0 ? -1e-9 : 0), Number.MIN_VALUE)) - 1)
  const step = isWhole ? 1 : Math.max(magnitude, min / 10)
  const next = Math.min(max, Math.max(min, amount + steps * step))
  return writeNumber(Number(next.toFixed(8)))
}

/** Returns whether a contract can be won: nothing is offered whose payout is not above its stake. */
export function isOffered(stake: string, payout: string): boolean {
  return Number(payout) > Number(stake)
}

/** Returns the profit of a contract that wins, in percent of its stake. */
export function returnPercent(stake: string, payout: string): number {
  return 100 * (Number(payout) / Number(stake) - 1)
}

function decimalsOf(amount: string): number {
  return amount.split('.')[1]?.length ?? 0
}
