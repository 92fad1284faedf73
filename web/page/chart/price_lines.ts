import type { Contract } from '../../src/pricewire.js'
import { texts } from '../texts/language.js'
import { DIRECTIONS } from '../trade/variants.js'

/** A horizontal line of the chart at a price. */
export interface PriceLine {
  readonly key: string
  readonly price: number
  readonly title: string
  readonly kind: 'entry' | 'barrier'
  readonly direction: 'up' | 'down' | ''
}

/** The key of the line of the ticket's barrier, which can be dragged. */
export const TICKET_LINE = 'ticket'

/**
 * Returns the contract that the chart of an instrument shows: the lines of several would bury the prices.
 *
 * @param wanted - the ids of contracts, the most wanted first: the one under the pointer, the one that was chosen. If there is none of them,
 * the newest open one is shown.
 */
export function shownContract(
  open: readonly Contract[],
  closed: readonly Contract[],
  instrumentId: string | undefined,
  wanted: readonly (string | undefined)[],
): Contract | undefined {
  const isOwn = ({ contract_details }: Contract) => contract_details.instrument_id === instrumentId
  for (const id of wanted) {
    const found = [...open, ...closed].find((contract) => contract.contract_id === id && isOwn(contract))
    if (id !== undefined && found !== undefined) return found
  }
  const [first, ...others] = open.filter(isOwn)
  const startOf = ({ contract_details }: Contract) => contract_details.contract_start_time
  return others.reduce((newest, contract) => (newest && startOf(contract) > startOf(newest) ? contract : newest), first)
}

/** Returns the lines of a contract: the entry price and, where it differs from that, the barrier. */
export function linesOf({ contract_details }: Contract): PriceLine[] {
  const { entry_spot, barrier, variant } = contract_details
  const direction = DIRECTIONS[variant]
  if (entry_spot === null) return []
  const hasOwnBarrier = barrier !== null && Number(barrier) !== Number(entry_spot)
  const entry: PriceLine = {
    key: 'entry',
    price: Number(entry_spot),
    title: texts.chart.entry,
    kind: 'entry',
    direction: hasOwnBarrier ? '' : direction,
  }
  if (!hasOwnBarrier) return [entry]
  return [entry, { key: 'barrier', price: Number(barrier), title: texts.chart.barrier, kind: 'barrier', direction }]
}
