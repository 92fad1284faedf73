import { useRef, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { formatCount, formatTime } from '../format.js'
import { Icon } from '../icons.js'
import { useLoading } from '../loading.js'
import { Menu } from '../menu.js'
import { type ChartStyle, type Indicator, usePreferences } from '../preferences.js'
import { ShareButton } from '../share_button.js'
import { texts } from '../texts/language.js'
import type { Theme } from '../theme.js'
import type { ContractZone } from './contract_zone.js'
import { fetchCandles } from './history.js'
import type { PriceLine } from './price_lines.js'
import { RANGES, type Range, timeframeOfAll } from './ranges.js'
import { TIMEFRAMES, type Timeframe } from './timeframes.js'

let Chart: typeof import('./chart.js').Chart | undefined

/** Loads the chart. It is on its own, because it is larger than the rest of the page, and prices should not wait for it. */
export async function loadChart(): Promise<void> {
  Chart = (await import('./chart.js')).Chart
}

const STYLES: readonly ChartStyle[] = ['candles', 'bars', 'area']

const INDICATORS: readonly Indicator[] = ['average', 'bollinger', 'rsi']

/** How many days of history are counted at most. */
const MOST_DAYS = 5000

interface ChartPanelProps {
  readonly instrument: Instrument
  readonly timeframe: Timeframe
  readonly range: Range | undefined
  readonly style: ChartStyle
  readonly theme: Theme
  readonly lines: readonly PriceLine[]
  readonly contract: ContractZone | undefined
  /** Returns the address of what is shown; undefined where there is no address of its own. */
  readonly link?: () => string
  readonly onBarrier: (price: number) => void
  readonly onView: (timeframe: Timeframe, range: Range | undefined) => void
  readonly onStyle: (style: ChartStyle) => void
}

/** The chart, and the buttons for its timeframe, style, indicators, time zone and size. */
export function ChartPanel({
  instrument,
  timeframe,
  range,
  style,
  theme,
  lines,
  contract,
  link,
  onBarrier,
  onView,
  onStyle,
}: ChartPanelProps) {
  const [{ indicators, zone }, change] = usePreferences()
  /** Counts the clicks on ranges: one on the current range goes back to it. */
  const [asked, setAsked] = useState(0)
  /** When the history begins, in milliseconds since 1970, where it is shorter than the range. */
  const [begin, setBegin] = useState<number>()
  // Not `lazy`: React holds back what comes within 300 ms after its placeholder. Nor at once: the connection opens before the chart is made.
  const loading = useLoading(loadChart)
  const looking = useRef<AbortController>(undefined)
  const panel = useRef<HTMLDivElement>(null)
  const toggle = (name: Indicator) =>
    change({
      indicators: indicators.includes(name) ? indicators.filter((each) => each !== name) : [...indicators, name],
    })
  const show = (timeframe: Timeframe, range: Range | undefined) => {
    looking.current?.abort()
    onView(timeframe, range)
    setAsked((count) => count + 1)
  }
  const chooseRange = async (name: Range) => {
    if (name !== 'all') return show(RANGES[name].timeframe, name)
    looking.current?.abort()
    looking.current = new AbortController()
    const { signal } = looking.current
    // Where the server does not answer, the chart itself says so.
    const days = await fetchCandles(instrument.id, 86_400, MOST_DAYS, signal).then(
      ({ length }) => length,
      () => 0,
    )
    if (!signal.aborted) show(days === 0 ? RANGES.all.timeframe : timeframeOfAll(days), name)
  }
  const enlarge = () => {
    if (document.fullscreenElement === null) void panel.current?.requestFullscreen()
    else void document.exitFullscreen()
  }
  return (
    <div className="panel" ref={panel}>
      <div className="tools">
        <fieldset className="choice" aria-label={texts.chart.timeframe}>
          {(Object.keys(TIMEFRAMES) as Timeframe[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === timeframe} onClick={() => show(name, undefined)}>
              {name === 'tick' ? texts.chart.tick : name}
            </button>
          ))}
        </fieldset>
        <fieldset className="choice" aria-label={texts.chart.style}>
          {STYLES.map((name) => (
            <button
              key={name}
              type="button"
              aria-pressed={name === style && timeframe !== 'tick'}
              disabled={timeframe === 'tick'}
              aria-label={texts.chart.styles[name]}
              title={texts.chart.styles[name]}
              onClick={() => onStyle(name)}
            >
              <Icon name={name} />
            </button>
          ))}
        </fieldset>
        <Menu title={`${texts.chart.indicators} ${indicators.length > 0 ? formatCount(indicators.length) : ''}`.trim()}>
          {INDICATORS.map((name) => (
            <label key={name} className="check">
              <input type="checkbox" checked={indicators.includes(name)} onChange={() => toggle(name)} />
              {texts.chart.indicator[name]}
            </label>
          ))}
        </Menu>
        <button
          type="button"
          className="zone"
          title={texts.chart.zoneHint}
          onClick={() => change({ zone: zone === 'utc' ? 'local' : 'utc' })}
        >
          {texts.chart[zone]}
        </button>
        {link !== undefined && <ShareButton link={link} />}
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
      {loading !== 'done' || Chart === undefined ? (
        <div className="chart">
          {loading === 'failed' && <p className="note">{texts.chart.failed(texts.errors.unreachable)}</p>}
        </div>
      ) : (
        <Chart
          instrument={instrument}
          timeframe={timeframe}
          range={range}
          asked={asked}
          style={style}
          zone={zone}
          indicators={indicators}
          theme={theme}
          lines={lines}
          contract={contract}
          onBarrier={onBarrier}
          onBegin={setBegin}
        />
      )}
      <div className="tools range">
        <fieldset className="choice" aria-label={texts.chart.range}>
          {(Object.keys(RANGES) as Range[]).map((name) => (
            <button key={name} type="button" aria-pressed={name === range} onClick={() => void chooseRange(name)}>
              {texts.chart.ranges[name]}
            </button>
          ))}
        </fieldset>
        {range !== undefined && begin !== undefined && (
          <small className="begin" title={texts.chart.beginsHint}>
            {texts.chart.begins(formatTime(begin, Date.now(), zone))}
          </small>
        )}
      </div>
    </div>
  )
}
