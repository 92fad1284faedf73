import { lazy, Suspense, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { Icon } from '../icons.js'
import type { Theme } from '../theme.js'
import type { ChartStyle } from './chart.js'
import type { ContractZone } from './contract_zone.js'
import type { PriceLine } from './price_lines.js'
import { TIMEFRAMES, type Timeframe } from './timeframes.js'

/** Loaded on its own: it is larger than the rest of the page, and prices should not wait for it. */
const Chart = lazy(async () => ({ default: (await import('./chart.js')).Chart }))

interface ChartPanelProps {
  readonly instrument: Instrument
  readonly timeframe: Timeframe
  readonly theme: Theme
  readonly lines: readonly PriceLine[]
  readonly zone: ContractZone | undefined
  readonly onBarrier: (price: number) => void
  readonly onTimeframe: (timeframe: Timeframe) => void
}

/** The chart, and the buttons for its timeframe and style. */
export function ChartPanel({ instrument, timeframe, theme, lines, zone, onBarrier, onTimeframe }: ChartPanelProps) {
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
              <Icon name={name} />
            </button>
          ))}
        </fieldset>
        <span className="zone">UTC</span>
      </div>
      <Suspense fallback={<div className="chart" />}>
        <Chart
          instrument={instrument}
          timeframe={timeframe}
          style={style}
          theme={theme}
          lines={lines}
          zone={zone}
          onBarrier={onBarrier}
        />
      </Suspense>
    </div>
  )
}
