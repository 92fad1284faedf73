import type { Instrument } from '../../src/pricewire.js'
import type { Connected, MarketPrice } from '../../src/react.js'
import { formatAge, formatOpening } from '../format.js'
import { useNow } from '../hooks.js'
import { serverTime } from './price.js'

interface NoteProps {
  readonly instrument: Instrument
  readonly price: MarketPrice | null
  readonly connected: Connected
}

/** What stands beneath an instrument's name: the id or, where the price may be old, how old it is. */
export function InstrumentStatus({ instrument, price, connected }: NoteProps) {
  const isOld = connected.isStale && price !== null
  const now = useNow(isOld)
  if (!instrument.is_market_open) return <small className="warning">closed{formatOpening(instrument.opens_at)}</small>
  if (!isOld) return <small>{instrument.id}</small>
  // Without a connection all prices are old, and the page says so: one that is old by itself is what should catch the eye.
  const age = formatAge(serverTime(now) - price.epoch_ms)
  return <small className={connected.isConnected ? 'warning' : ''}>stale, {age} old</small>
}
