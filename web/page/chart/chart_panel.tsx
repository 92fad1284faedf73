import { lazy, Suspense, useRef } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { formatCount } from '../format.js'
import { Icon } from '../icons.js'
import { type ChartStyle, type Indicator, usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import type { Theme } from '../theme.js'
import type { ContractZone } from './contract_zone.js'
import type { PriceLine } from './price_lines.js'
import { TIMEFRAMES, type Timeframe } from './timeframes.js'

/** Loaded on its own: it is larger than the rest of the page, and prices should not wait for it. */
const Chart = lazy(async () => ({ default: (await import('./chart.js')).Chart }))

const STYLES: readonly ChartStyle[] = ['candles', 'bars', 'area']

const INDICATORS: readonly Indicator[] = ['average', 'bollinger', 'rsi']

interface ChartPanelProps {
  readonly instrument: Instrument
  readonly timeframe: Timeframe
  readonly theme: Theme
  readonly lines: readonly PriceLine[]
  readonly contract: ContractZone | undefined
  readonly onBarrier: (price: number) => void
  readonly onTimeframe: (timeframe: Timeframe) => void
}

/** The chart, and the buttons for its timeframe, style, indicators, time zone and size. */
export function ChartPanel({ instrument, timeframe, theme, lines, contract, onBarrier, onTimeframe }: ChartPanelProps) {
  const [{ chartStyle, indicators, zone }, change] = usePreferences()
  const panel = useRef<HTMLDivElement>(null)
  const toggle = (name: Indicator) =>
    change({
      indicators: indicators.includes(name) ? indicators.filter((each) => each !== name) : [...indicators, name],
    })
  const enlarge = () => {
    if (document.fullscreenElement === null) void panel.current?.requestFullscreen()
    else void document.exitFullscreen()
  }
  return (
    <div className="panel" ref={panel}>
      <div className="tools">
        <fieldset className="choice" aria-label={texts.chart.timeframe}>
          {(Object.keys(TIMEFRAMES) as Timeframe[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === timeframe} onClick={() => onTimeframe(name)}>
              {name === 'tick' ? texts.chart.tick : name}
            </button>
          ))}
        </fieldset>
        <fieldset className="choice" aria-label={texts.chart.style}>
          {STYLES.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === chartStyle && timeframe !== 'tick'}
              disabled={timeframe === 'tick'}
              aria-label={texts.chart.styles[name]}
              title={texts.chart.styles[name]}
              onClick={() => change({ chartStyle: name })}
            >
              <Icon name={name} />
            </button>
          ))}
        </fieldset>
        <details className="menu">
          <summary>
            {texts.chart.indicators}
            {indicators.length > 0 && ` ${formatCount(indicators.length)}`}
          </summary>
          <div>
            {INDICATORS.map((name) => (
              <label key={name} className="check">
                <input type="checkbox" checked={indicators.includes(name)} onChange={() => toggle(name)} />
                {texts.chart.indicator[name]}
              </label>
            ))}
          </div>
        </details>
        <button
          type="button"
          className="zone"
          title={texts.chart.zoneHint}
          onClick={() => change({ zone: zone === 'utc' ? 'local' : 'utc' })}
        >
          {texts.chart[zone]}
        </button>
        {document.fullscreenEnabled && (
          <button
            type="button"
            className="icon-button only-wide"
            aria-label={texts.chart.fullScreen}
            title={texts.chart.fullScreen}
            onClick={enlarge}
          >
            <Icon name="enlarge" />
          </button>
        )}
      </div>
      <Suspense fallback={<div className="chart" />}>
        <Chart
          instrument={instrument}
          timeframe={timeframe}
          style={chartStyle}
          zone={zone}
          indicators={indicators}
          theme={theme}
          lines={lines}
          contract={contract}
          onBarrier={onBarrier}
        />
      </Suspense>
    </div>
  )
}
