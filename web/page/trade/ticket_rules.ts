import type { DurationUnit, Variant } from '../../src/pricewire.js'
import type { Bounds, Money, ProductConfig, ProductId } from './trading.js'

/** What somebody has filled into the ticket, as it was typed. */
export interface Draft {
  readonly product: ProductId
  readonly stake: string
  readonly duration: string
  readonly unit: DurationUnit
  /** Empty: the server chooses one. */
  readonly barrier: string
  readonly allowEquals: boolean
}

/** A draft that can be asked the price of. */
export interface Terms {
  readonly product_id: ProductId
  readonly instrument_id: string
  readonly duration: number
  readonly duration_unit: DurationUnit
  readonly allow_equals: boolean
  readonly stake: Money
  readonly barrier?: string
}

/** What is wrong with a draft, by field. */
export type Problems = Partial<Record<'stake' | 'duration' | 'barrier', string>>

/** How a variant is called, whether it is the one that wins upwards, and when it wins. */
export const VARIANTS: Readonly<Record<Variant, { name: string; direction: 'up' | 'down'; wins: string }>> = {
  rise: { name: 'Rise', direction: 'up', wins: 'the price ends above the entry' },
  fall: { name: 'Fall', direction: 'down', wins: 'the price ends below the entry' },
  higher: { name: 'Higher', direction: 'up', wins: 'the price ends above the barrier' },
  lower: { name: 'Lower', direction: 'down', wins: 'the price ends below the barrier' },
  touch: { name: 'Touch', direction: 'up', wins: 'the price touches the barrier' },
  no_touch: { name: 'No touch', direction: 'down', wins: 'the price never touches the barrier' },
}

/** The variants of a product, the upward one first. */
export const VARIANTS_OF: Readonly<Record<ProductId, readonly [Variant, Variant]>> = {
  rise_fall: ['rise', 'fall'],
  high_low: ['higher', 'lower'],
  touch: ['touch', 'no_touch'],
}

/** Returns whether a contract of a product has a barrier away from the entry. */
export function hasBarrier(product: ProductId): boolean {
  return product !== 'rise_fall'
}

/** Returns whether equality at the end is something to decide about. */
export function hasEquals(product: ProductId): boolean {
  return product === 'rise_fall'
}

const SECONDS = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 } as const

/** Returns what durations are allowed in a unit; those in minutes and hours follow from those in seconds. */
export function durationBounds({ validations }: ProductConfig, unit: DurationUnit): Bounds<number> | undefined {
  const { durations } = validations
  const own = durations[unit]
  if (own !== undefined || unit === 'ticks') return own
  const { seconds } = durations
  if (seconds === undefined) return undefined
  return { min: Math.ceil(seconds.min / SECONDS[unit]), max: Math.floor(seconds.max / SECONDS[unit]) }
}

/** Returns the draft that the ticket begins with. */
export function firstDraft({ defaults }: ProductConfig): Draft {
  return {
    product: defaults.product_id,
    stake: String(defaults.stake),
    duration: String(defaults.duration),
    unit: defaults.duration_unit,
    barrier: '',
    allowEquals: defaults.allow_equals,
  }
}

/**
 * Returns what is wrong with a draft or, where nothing is, its terms.
 *
 * Money has the decimals of the bounds that the server gives, a barrier those of the instrument.
 */
export function check(
  draft: Draft,
  config: ProductConfig,
  instrument: { readonly id: string; readonly pip_size: number },
): { readonly problems: Problems; readonly terms: Terms | undefined } {
  const problems: Problems = {}
  const { min, max } = config.validations.stake
  const decimals = min.split('.')[1]?.length ?? 0
  const stake = draft.stake.trim()
  if (!isDecimal(stake, decimals)) problems.stake = `An amount with at most ${decimals} decimals, ${min} for instance`
  else if (Number(stake) < Number(min) || Number(stake) > Number(max)) problems.stake = `From ${min} to ${max}`

  const bounds = durationBounds(config, draft.unit)
  const duration = draft.duration.trim()
  if (!/^\d{1,9}$/.test(duration)) problems.duration = 'A whole number'
  else if (bounds !== undefined && (Number(duration) < bounds.min || Number(duration) > bounds.max))
    problems.duration = `From ${bounds.min} to ${bounds.max} ${draft.unit}`

  const barrier = hasBarrier(draft.product) ? draft.barrier.trim().replace('−', '-') : ''
  if (barrier !== '' && !isDecimal(barrier.replace(/^[+-]/, ''), instrument.pip_size))
    problems.barrier = `A price, or an offset such as +${(10 ** -instrument.pip_size).toFixed(instrument.pip_size)}`

  if (Object.keys(problems).length > 0) return { problems, terms: undefined }
  const terms = {
    product_id: draft.product,
    instrument_id: instrument.id,
    duration: Number(duration),
    duration_unit: draft.unit,
    // A touch is one by equality already: what is no choice is as the server has it.
    allow_equals: hasEquals(draft.product) ? draft.allowEquals : config.defaults.allow_equals,
    stake: Number(stake).toFixed(decimals),
    ...(barrier !== '' && { barrier }),
  }
  return { problems, terms }
}

/** Returns what is gained if a contract wins, in percent of its stake. */
export function returnPercent(stake: Money, payout: Money): number {
  return 100 * (Number(payout) / Number(stake) - 1)
}

function isDecimal(text: string, decimals: number): boolean {
  const [whole = '', fraction = ''] = text.split('.')
  return /^\d{1,12}(\.\d+)?$/.test(text) && whole.length > 0 && fraction.length <= decimals
}
