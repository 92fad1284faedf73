import type { Contract } from '../../src/pricewire.js'

/** How a contract has closed. */
export type Outcome = 'sold' | 'won' | 'lost' | 'refunded'

/** Returns the outcome of a closed contract. */
export function outcomeOf({ contract_details }: Contract): Outcome {
  const { is_sold, is_refunded, bid_price } = contract_details
  if (is_sold) return 'sold'
  if (is_refunded) return 'refunded'
  return Number(bid_price) > 0 ? 'won' : 'lost'
}
