import { useState } from 'react'
import { ChartPanel } from './chart/chart_panel.js'
import type { PriceLine } from './chart/price_lines.js'
import type { Range } from './chart/ranges.js'
import type { Timeframe } from './chart/timeframes.js'
import { Status } from './connection_status.js'
import { useInstruments } from './markets/instruments.js'
import { Quote } from './markets/quote.js'
import type { ChartStyle } from './preferences.js'
import { texts } from './texts/language.js'
import { useTheme } from './theme.js'

const NO_LINES: readonly PriceLine[] = []

/** The rest of the address: `/embed/R_100`. */
const INSTRUMENT_ID = decodeURIComponent(location.pathname.slice('/embed/'.length))

/** One instrument's price and chart, for an `iframe` of another page. */
export function Embed() {
  const { instruments, error } = useInstruments()
  const [theme] = useTheme()
  const [[timeframe, range], setView] = useState<readonly [Timeframe, Range | undefined]>(['1m', undefined])
  const [style, setStyle] = useState<ChartStyle>('candles')
  const instrument = instruments?.find(({ id }) => id === INSTRUMENT_ID)
  return (
    <main className="embed" data-tab="trade">
      <h1 className="visually-hidden">{texts.embed.label}</h1>
      <section className="detail card" aria-label={texts.embed.label}>
        {instrument === undefined ? (
          <p className="empty">
            {error ?? (instruments === undefined ? texts.embed.loading : texts.embed.missing(INSTRUMENT_ID))}
          </p>
        ) : (
          <>
            <Quote instrument={instrument} />
            <ChartPanel
              instrument={instrument}
              timeframe={timeframe}
              range={range}
              style={style}
              theme={theme}
              lines={NO_LINES}
              contract={undefined}
              onBarrier={() => {}}
              onView={(timeframe, range) => setView([timeframe, range])}
              onStyle={setStyle}
            />
          </>
        )}
        <footer>
          {/* Without an instrument nothing is connected. */}
          {(instruments === undefined || instrument !== undefined) && <Status />}
          <a href={`/#${encodeURIComponent(INSTRUMENT_ID)}`} target="_blank" rel="noreferrer">
            {texts.embed.open}
          </a>
        </footer>
      </section>
    </main>
  )
}
