import { useEffect } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { useMarketSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { changeDirection, formatChange, formatPrice } from '../format.js'
import { texts } from '../texts/language.js'
import { Marked } from '../texts/marked.js'
import { aboutInstrument } from './about_instrument.js'
import { useDay } from './day.js'
import { FlashingPrice } from './flashing_price.js'
import { InstrumentStatus } from './instrument_status.js'

/** The time between two titles, in milliseconds. */
const TITLE_THROTTLE = 1000

/** The name and prices of the chosen instrument. */
export function Quote({ instrument }: { instrument: Instrument }) {
  const { id, display_name, pip_size } = instrument
  const { price, ...connected } = useMarketSSE(id, useServer())
  const day = useDay(id, true, price?.price)
  const about = aboutInstrument(instrument)
  const spread = price === null ? undefined : price.ask - price.bid
  return (
    // Made anew once the figures are known: those that stood in for them have other widths, and nothing is to move.
    <div key={`${price === null} ${day === undefined}`} className={`quote ${connected.isStale ? 'stale' : ''}`}>
      <Title instrument={instrument} />
      <div className="name">
        <h2>{display_name}</h2>
        <InstrumentStatus instrument={instrument} price={price} connected={connected} />
      </div>
      <div className="big">
        <FlashingPrice value={price?.price} decimals={pip_size} label={texts.markets.price} name="price" />
        <span className={`change ${changeDirection(day?.open, price?.price)}`} title={texts.markets.changeHint}>
          {formatChange(day?.open, price?.price)}
        </span>
      </div>
      <dl>
        <div>
          <dt>{texts.markets.bid}</dt>
          <dd>
            <FlashingPrice value={price?.bid} decimals={pip_size} label={texts.markets.bid} name="bid" isQuiet />
          </dd>
        </div>
        <div>
          <dt>{texts.markets.ask}</dt>
          <dd>
            <FlashingPrice value={price?.ask} decimals={pip_size} label={texts.markets.ask} name="ask" isQuiet />
          </dd>
        </div>
        <div>
          <dt>{texts.markets.spread}</dt>
          <dd>{formatPrice(spread, pip_size)}</dd>
        </div>
      </dl>
      <p className="about">
        <Marked text={texts.markets.today(formatPrice(day?.low, pip_size), formatPrice(day?.high, pip_size))} />
        <span> {about}</span>
      </p>
    </div>
  )
}

/** The title of the window, with the price. Browsers take many times as long to show a title as to show a price in the page. */
function Title({ instrument }: { instrument: Instrument }) {
  const { id, display_name, pip_size } = instrument
  const { price } = useMarketSSE(id, { ...useServer(), throttle: TITLE_THROTTLE })
  useEffect(() => {
    document.title = `${formatPrice(price?.price, pip_size)} ${display_name} · Pricewire`
  }, [price, pip_size, display_name])
  return null
}
