import type { Contract, Variant } from '../../src/pricewire.js'

/** The direction of the price that each variant bets on. */
export const DIRECTIONS: Readonly<Record<Variant, 'up' | 'down'>> = {
  rise: 'up',
  fall: 'down',
  higher: 'up',
  lower: 'down',
  touch: 'up',
  no_touch: 'down',
}

/** The variants of each product, the upward one first. */
export const VARIANTS_OF: Readonly<Record<Contract['product_id'], readonly [Variant, Variant]>> = {
  rise_fall: ['rise', 'fall'],
  high_low: ['higher', 'lower'],
  touch: ['touch', 'no_touch'],
}
