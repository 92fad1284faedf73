/** The range of prices that the chart shows. */
export interface PriceRange {
  readonly minValue: number
  readonly maxValue: number
}

/** How many times its own height a range may grow to: the candles keep at least half of the chart. */
const MAX_GROWTH = 2

/**
 * Returns a range that also contains the prices of lines. The nearest lines come first; a line that is too far away is left out, because it
 * would squeeze the candles.
 *
 * @param lines - prices, in any order.
 */
export function widen({ minValue, maxValue }: PriceRange, lines: readonly number[]): PriceRange {
  const maxHeight = MAX_GROWTH * (maxValue - minValue)
  const distance = (price: number) => Math.max(minValue - price, price - maxValue)
  let [low, high] = [minValue, maxValue]
  for (const price of [...lines].sort((one, other) => distance(one) - distance(other))) {
    const [lower, higher] = [Math.min(low, price), Math.max(high, price)]
    if (higher - lower > maxHeight) break
    low = lower
    high = higher
  }
  return { minValue: low, maxValue: high }
}
