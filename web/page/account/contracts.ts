import type { Contract, Variant } from '../../src/pricewire.js'

/** How far an open contract has come. */
export interface Progress {
  /** What is left, for people: `0:42`, `3 of 5 ticks`. */
  readonly text: string
  /** What is over, from 0 to 1. */
  readonly share: number
}

/**
 * Returns how far an open contract has come.
 *
 * @param now - by the server's clock.
 */
export function progressOf({ contract_details }: Contract, now: number): Progress {
  const { duration, duration_unit, contract_expiry_time, contract_start_time, entry_tick_time } = contract_details
  if (duration_unit === 'ticks') {
    const newest = contract_details.tick_stream?.at(-1)?.epoch_ms
    if (entry_tick_time === null || newest === undefined) return { text: `0 of ${duration} ticks`, share: 0 }
    // The estimated end says how long a tick takes, so that an update without the older ticks is enough.
    const interval = (contract_expiry_time - entry_tick_time) / duration
    const passed = Math.min(duration, Math.max(0, Math.round((newest - entry_tick_time) / interval)))
    return { text: `${passed} of ${duration} ticks`, share: passed / duration }
  }
  const left = Math.max(0, contract_expiry_time - now)
  const whole = Math.max(1, contract_expiry_time - contract_start_time)
  return { text: formatLeft(left), share: Math.min(1, 1 - left / whole) }
}

/** Returns a span of time as a clock that counts down: `0:42`, `1:02:03`, `3 d 4 h`. */
export function formatLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`
  const two = (value: number) => String(value).padStart(2, '0')
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`
  return `${minutes}:${two(seconds % 60)}`
}

/** Returns the sum of what open contracts have gained so far. */
export function totalProfit(contracts: readonly Contract[]): number {
  return contracts.reduce((sum, { contract_details }) => sum + Number(contract_details.profit_loss), 0)
}

/** Returns what became of a closed contract. */
export function outcomeOf({ contract_details }: Contract): 'Sold' | 'Won' | 'Lost' | 'Refunded' {
  const { is_sold, bid_price, stake, exit_spot } = contract_details
  if (is_sold) return 'Sold'
  if (exit_spot === null && Number(bid_price) === Number(stake)) return 'Refunded'
  return Number(bid_price) > 0 ? 'Won' : 'Lost'
}

/** A line of the chart at a price. */
export interface PriceLine {
  readonly key: string
  readonly price: number
  readonly title: string
  readonly kind: 'entry' | 'barrier'
  readonly direction: 'up' | 'down' | ''
}

/** So many contracts get lines; more would hide the prices. */
const MOST_LINED = 4

/** Returns the lines of an instrument's newest open contracts: their entry and, where it is another price, their barrier. */
export function linesOf(
  contracts: readonly Contract[],
  instrumentId: string,
  direction: (variant: Variant) => 'up' | 'down',
): PriceLine[] {
  const own = contracts.filter(({ contract_details }) => contract_details.instrument_id === instrumentId)
  const newest = own
    .sort((one, other) => other.contract_details.contract_start_time - one.contract_details.contract_start_time)
    .slice(0, MOST_LINED)
  const lines = new Map<string, PriceLine>()
  for (const { contract_details } of newest) {
    const { entry_spot, barrier, variant } = contract_details
    const way = direction(variant)
    const isAway = barrier !== null && entry_spot !== null && Number(barrier) !== Number(entry_spot)
    if (entry_spot !== null) {
      const key = `entry ${entry_spot}`
      lines.set(key, { key, price: Number(entry_spot), title: 'Entry', kind: 'entry', direction: isAway ? '' : way })
    }
    if (isAway) {
      const key = `barrier ${barrier}`
      lines.set(key, { key, price: Number(barrier), title: 'Barrier', kind: 'barrier', direction: way })
    }
  }
  return [...lines.values()]
}
