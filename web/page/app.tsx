import { useCallback, useEffect, useState } from 'react'
import type { Instrument } from '../src/pricewire.js'
import { useMarketSSE } from '../src/react.js'
import { SERVER } from './api.js'
import { Chart, type ChartStyle } from './chart.js'
import { changeDirection, formatChange, formatPrice } from './format.js'
import { type Theme, TIMEFRAMES, type Timeframe, useInstruments, usePlace, useTheme } from './hooks.js'
import { firstPrice, Markets, Note } from './markets.js'
import { FlashingPrice } from './price.js'
import { Rate, Status, Trouble } from './status.js'

/** The page. */
export function App() {
  const { instruments = [], error } = useInstruments()
  const [{ id, timeframe }, go] = usePlace()
  const [theme, toggleTheme] = useTheme()
  const chosen = instruments.find((instrument) => instrument.id === id) ?? instruments[0]
  const choose = useCallback(
    (id: string) => {
      go({ id })
      scrollTo({ top: 0 }) // where the list is below the chart, as on a phone
    },
    [go],
  )
  return (
    <>
      <header className="bar">
        <h1>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <path d="M3 18h6l3-9 5 15 4-11 2 5h6" />
          </svg>
          Pricewire
        </h1>
        <Status />
        <Rate />
        <ThemeButton theme={theme} onToggle={toggleTheme} />
      </header>
      <Trouble listError={error} />
      <main>
        <section className="detail" aria-label="Chosen instrument">
          {chosen !== undefined && (
            <>
              {id !== undefined && id !== chosen.id && (
                <p className="missing">
                  This server has no instrument “{id}”. Shown instead: {chosen.display_name}.
                </p>
              )}
              <Quote key={chosen.id} instrument={chosen} />
              <ChartPanel
                instrument={chosen}
                timeframe={timeframe}
                theme={theme}
                onTimeframe={(timeframe) => go({ timeframe })}
              />
            </>
          )}
        </section>
        <nav aria-label="Instruments">
          <Markets instruments={instruments} chosen={chosen?.id} onChoose={choose} />
        </nav>
      </main>
    </>
  )
}

function Quote({ instrument }: { instrument: Instrument }) {
  const { id, display_name, pip_size } = instrument
  const { price, ...connected } = useMarketSSE(id, SERVER)
  const first = firstPrice(price)
  const spread = price === null ? undefined : price.ask - price.bid
  useEffect(() => {
    document.title = `${formatPrice(price?.price, pip_size)} ${display_name} · Pricewire`
  }, [price, pip_size, display_name])
  return (
    <div className={`quote ${connected.isStale ? 'stale' : ''}`}>
      <div className="name">
        <h2>{display_name}</h2>
        <Note instrument={instrument} price={price} connected={connected} />
      </div>
      <div className="big">
        <FlashingPrice value={price?.price} decimals={pip_size} label="price" />
        <span className={`change ${changeDirection(first, price?.price)}`} title="since the page was opened">
          {formatChange(first, price?.price)}
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
    </div>
  )
}

interface ChartPanelProps {
  readonly instrument: Instrument
  readonly timeframe: Timeframe
  readonly theme: Theme
  readonly onTimeframe: (timeframe: Timeframe) => void
}

function ChartPanel({ instrument, timeframe, theme, onTimeframe }: ChartPanelProps) {
  const [style, setStyle] = useState<ChartStyle>('candles')
  return (
    <div className="panel">
      <div className="tools">
        <fieldset className="choice" aria-label="Timeframe">
          {(Object.keys(TIMEFRAMES) as Timeframe[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === timeframe} onClick={() => onTimeframe(name)}>
              {name === 'tick' ? 'Tick' : name}
            </button>
          ))}
        </fieldset>
        <fieldset className="choice" aria-label="Chart style">
          {(['candles', 'line'] as const).map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === style && timeframe !== 'tick'}
              disabled={timeframe === 'tick'}
              aria-label={name}
              title={name}
              onClick={() => setStyle(name)}
            >
              <svg viewBox="0 0 16 16" aria-hidden="true">
                <path
                  d={name === 'candles' ? 'M5 2v3m0 6v3M3 5h4v6H3zM12 1v4m0 4v4M10 5h4v4h-4z' : 'm1.5 12 4-5 3 3 6-7'}
                />
              </svg>
            </button>
          ))}
        </fieldset>
        <span className="zone">UTC</span>
      </div>
      <Chart instrument={instrument} timeframe={timeframe} style={style} theme={theme} />
    </div>
  )
}

function ThemeButton({ theme, onToggle }: { theme: Theme; onToggle: () => void }) {
  const label = `Switch to ${theme === 'dark' ? 'light' : 'dark'}`
  return (
    <button type="button" className="theme" onClick={onToggle} aria-label={label} title={label}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {theme === 'dark' ? (
          <path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z" />
        ) : (
          <path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z" />
        )}
      </svg>
    </button>
  )
}
