import type { MarketPrice } from '../../src/react.js'

/** The first price of each instrument since the page was opened. */
const firstPrices = new Map<string, number>()

/** Returns the first price of an instrument since the page was opened; the given price, if it is the first. */
export function firstPrice(price: MarketPrice | null): number | undefined {
  if (price === null) return undefined
  if (!firstPrices.has(price.instrument_id)) firstPrices.set(price.instrument_id, price.price)
  return firstPrices.get(price.instrument_id)
}
