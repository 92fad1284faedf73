import type { Candle, Instrument, Tick } from '../src/pricewire.js'
import { requestData } from './requests.js'

/** Returns all instruments. */
export async function fetchInstruments(signal: AbortSignal): Promise<Instrument[]> {
  const { instruments } = await requestData<{ instruments: Instrument[] }>('/v1/market/instruments', { signal })
  return instruments
}

/** Returns the newest candles, oldest first; the last one is still being built. */
export async function fetchCandles(
  id: string,
  granularity: number,
  count: number,
  signal: AbortSignal,
): Promise<Candle[]> {
  const { candles } = await requestData<{ candles: Candle[] }>('/v1/market/instruments/candles/history', {
    signal,
    body: { instrument_id: id, granularity, count },
  })
  return candles
}

/** Returns the newest ticks, oldest first. */
export async function fetchTicks(id: string, count: number, signal: AbortSignal): Promise<Tick[]> {
  const { ticks } = await requestData<{ ticks: Tick[] }>('/v1/market/instruments/ticks/history', {
    signal,
    body: { instrument_id: id, count },
  })
  return ticks
}
