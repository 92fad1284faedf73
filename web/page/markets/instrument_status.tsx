import type { Instrument } from '../../src/pricewire.js'
import type { Connected, MarketPrice } from '../../src/react.js'
import { serverTime, useNow } from '../clock.js'
import { formatAge, formatOpening } from '../format.js'
import { texts } from '../texts/language.js'

interface InstrumentStatusProps {
  readonly instrument: Instrument
  readonly price: MarketPrice | null
  readonly connected: Connected
}

/** The line below an instrument's name: its id or, if the market is closed or the price old, that. */
export function InstrumentStatus({ instrument, price, connected }: InstrumentStatusProps) {
  const isOld = connected.isStale && price !== null
  const now = useNow(isOld)
  const { closed, closedUntil, stale } = texts.markets
  if (!instrument.is_market_open) {
    const opening = formatOpening(instrument.opens_at)
    return <small className="warning">{opening === undefined ? closed : closedUntil(opening)}</small>
  }
  if (!isOld) return <small>{instrument.id}</small>
  // Without a connection all prices are old, and the page says so elsewhere. Only a price that is old for its own reason is a warning here.
  const age = formatAge(serverTime(now) - price.epoch_ms)
  return <small className={connected.isConnected ? 'warning' : ''}>{stale(age)}</small>
}
