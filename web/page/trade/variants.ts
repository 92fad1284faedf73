import type { Contract, Variant } from '../../src/pricewire.js'

/** The name of each variant, the direction of the price that it bets on, and when it wins. */
export const VARIANTS: Readonly<Record<Variant, { name: string; direction: 'up' | 'down'; wins: string }>> = {
  rise: { name: 'Rise', direction: 'up', wins: 'the price ends above the entry' },
  fall: { name: 'Fall', direction: 'down', wins: 'the price ends below the entry' },
  higher: { name: 'Higher', direction: 'up', wins: 'the price ends above the barrier' },
  lower: { name: 'Lower', direction: 'down', wins: 'the price ends below the barrier' },
  touch: { name: 'Touch', direction: 'up', wins: 'the price touches the barrier' },
  no_touch: { name: 'No touch', direction: 'down', wins: 'the price never touches the barrier' },
}

/** The variants of each product, the upward one first. */
export const VARIANTS_OF: Readonly<Record<Contract['product_id'], readonly [Variant, Variant]>> = {
  rise_fall: ['rise', 'fall'],
  high_low: ['higher', 'lower'],
  touch: ['touch', 'no_touch'],
}
