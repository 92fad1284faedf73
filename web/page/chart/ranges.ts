import type { Timed } from './live_series.js'
import type { Timeframe } from './timeframes.js'

/** The spans of time that the chart shows at once, in seconds, each with the timeframe that shows it in some hundred candles. */
export const RANGES = {
  '1h': { seconds: 3600, timeframe: '1m' },
  '6h': { seconds: 21_600, timeframe: '5m' },
  '1d': { seconds: 86_400, timeframe: '15m' },
  '1w': { seconds: 604_800, timeframe: '1h' },
  all: { seconds: Number.POSITIVE_INFINITY, timeframe: '1h' },
} as const satisfies Record<string, { seconds: number; timeframe: Timeframe }>

/** The name of a range; `all` is as much as the server has. */
export type Range = keyof typeof RANGES

/** Returns the timeframe that shows a history of so many days in at most some hundred candles. */
export function timeframeOfAll(days: number): Timeframe {
  if (days <= 2) return '15m'
  if (days <= 14) return '1h'
  return days <= 60 ? '4h' : '1d'
}

/**
 * Returns the place of the first bar in a range that ends with the newest bar, and whether the history reaches back so far.
 *
 * It ends there and not now, so that a market that is closed shows its last hour.
 *
 * @param granularity - the span of a bar, in seconds.
 */
export function startOf(
  bars: readonly Timed[],
  range: Range,
  granularity: number,
): { readonly first: number; readonly isWhole: boolean } {
  const end = (bars.at(-1)?.time ?? 0) + granularity
  const begin = end - RANGES[range].seconds
  const first = bars.findIndex(({ time }) => time + granularity > begin)
  return { first: Math.max(0, first), isWhole: (bars[0]?.time ?? Number.POSITIVE_INFINITY) <= begin }
}
