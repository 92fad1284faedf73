/** The prices from the lowest to the highest that a chart shows. */
export interface PriceSpan {
  readonly minValue: number
  readonly maxValue: number
}

/** How many times its own height a span may grow for lines: the candles keep half of the chart. */
const MOST_GROWTH = 2

/**
 * Returns a span that holds the prices of lines too: the nearest first, and none so far away that the candles would be squeezed.
 *
 * @param lines - prices, in any order.
 */
export function widen({ minValue, maxValue }: PriceSpan, lines: readonly number[]): PriceSpan {
  const most = MOST_GROWTH * (maxValue - minValue)
  const distance = (price: number) => Math.max(minValue - price, price - maxValue)
  let [low, high] = [minValue, maxValue]
  for (const price of [...lines].sort((one, other) => distance(one) - distance(other))) {
    const [lower, higher] = [Math.min(low, price), Math.max(high, price)]
    if (higher - lower > most) break
    low = lower
    high = higher
  }
  return { minValue: low, maxValue: high }
}
