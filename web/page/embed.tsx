import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { ChartPanel } from './chart/chart_panel.js'
import type { PriceLine } from './chart/price_lines.js'
import type { Timeframe } from './chart/timeframes.js'
import { Status } from './connection_status.js'
import { useInstruments } from './markets/instruments.js'
import { Quote } from './markets/quote.js'
import { useTheme } from './theme.js'

const NO_LINES: readonly PriceLine[] = []

/** The rest of the address: `/embed/R_100`. */
const INSTRUMENT_ID = decodeURIComponent(location.pathname.slice('/embed/'.length))

/** One instrument's price and chart, for an `iframe` of another page. */
function Embed() {
  const { instruments, error } = useInstruments()
  const [theme] = useTheme()
  const [timeframe, setTimeframe] = useState<Timeframe>('1m')
  const instrument = instruments?.find(({ id }) => id === INSTRUMENT_ID)
  return (
    <main className="embed" data-tab="trade">
      <section className="detail card" aria-label="Live price">
        {instrument === undefined ? (
          <p className="empty">
            {error ?? (instruments === undefined ? 'Loading …' : `This server has no instrument “${INSTRUMENT_ID}”.`)}
          </p>
        ) : (
          <>
            <Quote instrument={instrument} />
            <ChartPanel
              instrument={instrument}
              timeframe={timeframe}
              theme={theme}
              lines={NO_LINES}
              contract={undefined}
              onBarrier={() => {}}
              onTimeframe={setTimeframe}
            />
          </>
        )}
        <footer>
          <Status />
          <a href={`/#${encodeURIComponent(INSTRUMENT_ID)}`} target="_blank" rel="noreferrer">
            Open in Pricewire
          </a>
        </footer>
      </section>
    </main>
  )
}

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <Embed />
    </StrictMode>,
  )
}
