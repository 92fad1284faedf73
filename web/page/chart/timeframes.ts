/** The timeframes of the chart: seconds per candle, and 0 for single ticks. */
export const TIMEFRAMES = { tick: 0, '1m': 60, '5m': 300, '15m': 900, '1h': 3600, '4h': 14_400, '1d': 86_400 } as const

/** The name of a timeframe. */
export type Timeframe = keyof typeof TIMEFRAMES
