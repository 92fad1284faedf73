import {
  type Candle,
  type ErrorBody,
  type Instrument,
  type ServerOptions,
  sharedStore,
  type Tick,
} from '../src/pricewire.js'

/** The page is left open for days: it never gives up, and looks often enough that a restarted server is back within seconds. */
export const SERVER: ServerOptions = { reconnectAttempts: Number.POSITIVE_INFINITY, reconnectCeiling: 5000 }

/** The connection that everything on the page shares. */
export const store = sharedStore(SERVER)

/** How long a response may take, in milliseconds. */
const TIMEOUT = 10_000

/** Returns all instruments. */
export async function fetchInstruments(signal: AbortSignal): Promise<Instrument[]> {
  const { instruments } = await request<{ instruments: Instrument[] }>('/v1/market/instruments', signal)
  return instruments
}

/** Returns the newest candles, oldest first; the last one is still being built. */
export async function fetchCandles(
  id: string,
  granularity: number,
  count: number,
  signal: AbortSignal,
): Promise<Candle[]> {
  const body = { instrument_id: id, granularity, count }
  const { candles } = await request<{ candles: Candle[] }>('/v1/market/instruments/candles/history', signal, body)
  return candles
}

/** Returns the newest ticks, oldest first. */
export async function fetchTicks(id: string, count: number, signal: AbortSignal): Promise<Tick[]> {
  const body = { instrument_id: id, count }
  const { ticks } = await request<{ ticks: Tick[] }>('/v1/market/instruments/ticks/history', signal, body)
  return ticks
}

async function request<Data>(path: string, signal: AbortSignal, body?: object): Promise<Data> {
  const init: RequestInit = { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) }
  if (body !== undefined) {
    init.method = 'POST'
    init.headers = { 'Content-Type': 'application/json' }
    init.body = JSON.stringify(body)
  }
  const response = await fetch(path, init).catch(() => {
    throw new Error('the server cannot be reached')
  })
  const answer = (await response.json().catch(() => ({}))) as { data?: Data } & Partial<ErrorBody>
  if (answer.data === undefined || !response.ok) {
    throw new Error(answer.error?.message ?? `the server answered ${response.status} ${response.statusText}`.trim())
  }
  return answer.data
}
