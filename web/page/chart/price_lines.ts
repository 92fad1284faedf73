import type { Contract } from '../../src/pricewire.js'
import { VARIANTS } from '../trade/variants.js'

/** A horizontal line of the chart at a price. */
export interface PriceLine {
  readonly key: string
  readonly price: number
  readonly title: string
  readonly kind: 'entry' | 'barrier'
  readonly direction: 'up' | 'down' | ''
}

/** How many contracts get lines. More would hide the prices. */
const MAX_CONTRACTS = 4

/** Returns the lines of the newest open contracts on an instrument: the entry price and, where it differs from that, the barrier. */
export function linesOf(contracts: readonly Contract[], instrumentId: string): PriceLine[] {
  const own = contracts.filter(({ contract_details }) => contract_details.instrument_id === instrumentId)
  const newest = own
    .sort((one, other) => other.contract_details.contract_start_time - one.contract_details.contract_start_time)
    .slice(0, MAX_CONTRACTS)
  const lines = new Map<string, PriceLine>()
  for (const { contract_details } of newest) {
    const { entry_spot, barrier, variant } = contract_details
    const { direction } = VARIANTS[variant]
    const hasOwnBarrier = barrier !== null && entry_spot !== null && Number(barrier) !== Number(entry_spot)
    if (entry_spot !== null) {
      const key = `entry ${entry_spot}`
      const entryDirection = hasOwnBarrier ? '' : direction
      lines.set(key, { key, price: Number(entry_spot), title: 'Entry', kind: 'entry', direction: entryDirection })
    }
    if (hasOwnBarrier) {
      const key = `barrier ${barrier}`
      lines.set(key, { key, price: Number(barrier), title: 'Barrier', kind: 'barrier', direction })
    }
  }
  return [...lines.values()]
}
