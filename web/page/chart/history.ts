import type {
  CandleBody,
  CandlesBody,
  CandlesHistoryRequest,
  TickBody,
  TicksBody,
  TicksHistoryRequest,
} from '../../src/schema.js'
import { requestData } from '../requests.js'

/** Returns the newest candles, oldest first. The last one is still open. */
export async function fetchCandles(
  id: string,
  granularity: number,
  count: number,
  signal: AbortSignal,
): Promise<readonly CandleBody[]> {
  const body: CandlesHistoryRequest = { instrument_id: id, granularity, count }
  const { candles } = await requestData<CandlesBody>('/v1/market/instruments/candles/history', { signal, body })
  return candles
}

/** Returns the newest ticks, oldest first. */
export async function fetchTicks(id: string, count: number, signal: AbortSignal): Promise<readonly TickBody[]> {
  const body: TicksHistoryRequest = { instrument_id: id, count }
  const { ticks } = await requestData<TicksBody>('/v1/market/instruments/ticks/history', { signal, body })
  return ticks
}
