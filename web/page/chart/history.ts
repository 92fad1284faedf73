import type {
  CandleBody,
  CandlesBody,
  CandlesHistoryRequest,
  TickBody,
  TicksBody,
  TicksHistoryRequest,
} from '../../src/schema.js'
import { requestData } from '../requests.js'

/**
 * Returns the newest candles, oldest first. The last one is still open.
 *
 * @param before - only older ones than this time, in milliseconds since 1970.
 */
export async function fetchCandles(
  id: string,
  granularity: number,
  count: number,
  signal: AbortSignal,
  before?: number,
): Promise<readonly CandleBody[]> {
  const body: CandlesHistoryRequest = { instrument_id: id, granularity, count, ...upTo(before) }
  const { candles } = await requestData<CandlesBody>('/v1/market/instruments/candles/history', { signal, body })
  return candles
}

/** How many ticks of a contract's life are loaded at most: as many as can be told apart, and the server gives at once. */
const MOST_TICKS = 2000

/** Returns for each how many seconds of a span there is one tick, where it has more than can be told apart; undefined where there are all. */
export function secondsPerTick(from: number, to: number): number | undefined {
  const seconds = Math.ceil((to - from) / 1000 / MOST_TICKS)
  return seconds > 1 ? seconds : undefined
}

/**
 * Returns the ticks of a span of time, oldest first; of more than can be told apart, one for each of so many seconds.
 *
 * @param from - the first time, in milliseconds since 1970.
 * @param to - the last time, likewise.
 */
export async function fetchTicksBetween(
  id: string,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<readonly TickBody[]> {
  const granularity = secondsPerTick(from, to)
  const body: TicksHistoryRequest = {
    instrument_id: id,
    from_epoch_ms: from,
    to_epoch_ms: to,
    count: 2 * MOST_TICKS,
    ...(granularity !== undefined && { granularity }),
  }
  const { ticks } = await requestData<TicksBody>('/v1/market/instruments/ticks/history', { signal, body })
  return ticks
}

/** Returns the newest ticks, oldest first; `before` is as for candles. */
export async function fetchTicks(
  id: string,
  count: number,
  signal: AbortSignal,
  before?: number,
): Promise<readonly TickBody[]> {
  const body: TicksHistoryRequest = { instrument_id: id, count, ...upTo(before) }
  const { ticks } = await requestData<TicksBody>('/v1/market/instruments/ticks/history', { signal, body })
  return ticks
}

function upTo(before: number | undefined): { to_epoch_ms?: number } {
  return before === undefined ? {} : { to_epoch_ms: before - 1 }
}
