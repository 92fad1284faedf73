import { useEffect } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { useMarketSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { changeDirection, formatChange, formatPrice } from '../format.js'
import { aboutInstrument } from './about_instrument.js'
import { useDay } from './day.js'
import { FlashingPrice } from './flashing_price.js'
import { InstrumentStatus } from './instrument_status.js'

/** The name and prices of the chosen instrument. */
export function Quote({ instrument }: { instrument: Instrument }) {
  const { id, display_name, pip_size } = instrument
  const { price, ...connected } = useMarketSSE(id, useServer())
  const day = useDay(id, true, price?.price)
  const about = aboutInstrument(instrument)
  const spread = price === null ? undefined : price.ask - price.bid
  useEffect(() => {
    document.title = `${formatPrice(price?.price, pip_size)} ${display_name} · Pricewire`
  }, [price, pip_size, display_name])
  return (
    <div className={`quote ${connected.isStale ? 'stale' : ''}`}>
      <div className="name">
        <h2>{display_name}</h2>
        <InstrumentStatus instrument={instrument} price={price} connected={connected} />
      </div>
      <div className="big">
        <FlashingPrice value={price?.price} decimals={pip_size} label="price" />
        <span className={`change ${changeDirection(day?.open, price?.price)}`} title="since the day's open, in UTC">
          {formatChange(day?.open, price?.price)}
        </span>
      </div>
      <dl>
        <div>
          <dt>Bid</dt>
          <dd>
            <FlashingPrice value={price?.bid} decimals={pip_size} label="bid" />
          </dd>
        </div>
        <div>
          <dt>Ask</dt>
          <dd>
            <FlashingPrice value={price?.ask} decimals={pip_size} label="ask" />
          </dd>
        </div>
        <div>
          <dt>Spread</dt>
          <dd>{formatPrice(spread, pip_size)}</dd>
        </div>
      </dl>
      <p className="about">
        Today from <b>{formatPrice(day?.low, pip_size)}</b> to <b>{formatPrice(day?.high, pip_size)}</b>.
        <span> {about}</span>
      </p>
    </div>
  )
}
