/** The periods that trading platforms show by default. */
export const AVERAGE_PERIOD = 20
export const BOLLINGER_PERIOD = 20
export const BOLLINGER_WIDTH = 2
export const RSI_PERIOD = 14

/** A band around an average. */
export interface Band {
  readonly middle: number
  readonly upper: number
  readonly lower: number
}

/** Returns the average of the last `period` values at each value; undefined for the first ones, which have too few before them. */
export function movingAverage(values: readonly number[], period: number): (number | undefined)[] {
  let sum = 0
  return values.map((value, place) => {
    sum += value - (place >= period ? (values[place - period] ?? 0) : 0)
    return place < period - 1 ? undefined : sum / period
  })
}

/** Returns the Bollinger bands: the moving average, and so many standard deviations (of the population) above and below it. */
export function bollinger(values: readonly number[], period: number, width: number): (Band | undefined)[] {
  return movingAverage(values, period).map((middle, place) => {
    if (middle === undefined) return undefined
    let squares = 0
    for (let at = place - period + 1; at <= place; at += 1) squares += ((values[at] ?? middle) - middle) ** 2
    const deviation = Math.sqrt(squares / period)
    return { middle, upper: middle + width * deviation, lower: middle - width * deviation }
  })
}

/**
 * Returns the relative strength index, from 0 to 100, as J. Welles Wilder defined it (New Concepts in Technical Trading Systems, 1978): the
 * first averages of gains and losses are plain ones, the next ones are smoothed.
 */
export function relativeStrength(values: readonly number[], period: number): (number | undefined)[] {
  let gain = 0
  let loss = 0
  return values.map((value, place) => {
    if (place === 0) return undefined
    const change = value - (values[place - 1] ?? value)
    const [up, down] = [Math.max(change, 0), Math.max(-change, 0)]
    if (place <= period) {
      gain += up / period
      loss += down / period
    } else {
      gain = (gain * (period - 1) + up) / period
      loss = (loss * (period - 1) + down) / period
    }
    if (place < period) return undefined
    return gain + loss === 0 ? 50 : (100 * gain) / (gain + loss)
  })
}
