import type { Contract, Variant } from '../../src/pricewire.js'
import type { Timed } from './live_series.js'

/** Where and when a contract wins, for the chart. */
export interface ContractZone {
  /** When and at what price it was entered; the time in seconds since 1970. */
  readonly entry: { readonly time: number; readonly price: number }
  /** When it ends or, once it has closed, ended; in seconds since 1970. */
  readonly end: number
  /** At what price it was closed; undefined while it is open. */
  readonly exit: { readonly time: number; readonly price: number } | undefined
  readonly barrier: number
  /** The side of the barrier where it wins. */
  readonly wins: 'above' | 'below'
}

/** Returns where a contract wins; undefined before its entry, and if it was refunded before it had a barrier. */
export function zoneOf({ contract_details }: Contract): ContractZone | undefined {
  const { entry_spot, entry_tick_time, exit_spot, exit_tick_time, exit_time, contract_expiry_time, variant } =
    contract_details
  const barrier = Number(contract_details.barrier ?? entry_spot)
  if (entry_spot === null || entry_tick_time === null || !Number.isFinite(barrier)) return undefined
  const price = Number(entry_spot)
  return {
    entry: { time: entry_tick_time / 1000, price },
    end: (exit_time ?? contract_expiry_time) / 1000,
    exit:
      exit_spot === null || exit_tick_time === null
        ? undefined
        : { time: exit_tick_time / 1000, price: Number(exit_spot) },
    barrier,
    wins: winsAbove(variant, barrier > price) ? 'above' : 'below',
  }
}

function winsAbove(variant: Variant, isBarrierAbove: boolean): boolean {
  if (variant === 'touch') return isBarrierAbove
  if (variant === 'no_touch') return !isBarrierAbove
  return variant === 'rise' || variant === 'higher'
}

/**
 * Returns the place of a time on the chart, counted in bars from the first one: between two bars for a time between them, beyond the last one
 * for a time to come. Undefined while there are no bars.
 *
 * @param time - in seconds since 1970.
 * @param bars - oldest first.
 * @param spacing - the time from one bar to the next outside of them, in seconds.
 */
export function placeOf(time: number, bars: readonly Timed[], spacing: number): number | undefined {
  const [first, last] = [bars[0]?.time, bars.at(-1)?.time]
  if (first === undefined || last === undefined) return undefined
  if (time <= first) return (time - first) / spacing
  if (time >= last) return bars.length - 1 + (time - last) / spacing
  let [low, high] = [0, bars.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((bars[middle]?.time ?? time) <= time) low = middle
    else high = middle
  }
  const before = bars[low]?.time ?? time
  const after = bars[high]?.time ?? time
  return after === before ? low : low + (time - before) / (after - before)
}
