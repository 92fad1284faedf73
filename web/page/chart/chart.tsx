import {
  AreaSeries,
  type AutoscaleInfo,
  BarSeries,
  CandlestickSeries,
  type CreatePriceLineOptions,
  CrosshairMode,
  createChart,
  type DeepPartial,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  LineStyle,
  type LogicalRange,
  type MouseEventParams,
  type SeriesPartialOptionsMap,
  type TickMarkType,
  type UTCTimestamp,
} from 'lightweight-charts'
import { useEffect, useRef, useState } from 'react'
import type { Candle, Instrument, Tick } from '../../src/pricewire.js'
import { useStore } from '../connection.js'
import { formatPrice, formatTime } from '../format.js'
import type { ChartStyle, Indicator, Zone } from '../preferences.js'
import { texts, useLanguage } from '../texts/language.js'
import type { Theme } from '../theme.js'
import { makeDraggable } from './barrier_drag.js'
import { ContractOverlay } from './contract_overlay.js'
import { type ContractZone, placeOf } from './contract_zone.js'
import { fetchCandles, fetchTicks } from './history.js'
import { IndicatorSeries } from './indicator_series.js'
import { LiveSeries } from './live_series.js'
import { type PriceLine, TICKET_LINE } from './price_lines.js'
import { widen } from './price_scale.js'
import { type Range, startOf } from './ranges.js'
import { TIMEFRAMES, type Timeframe } from './timeframes.js'

/** A candle, or a tick as a candle with four equal prices. */
interface Bar {
  readonly time: UTCTimestamp
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

type Series = ISeriesApi<'Candlestick'> | ISeriesApi<'Bar'> | ISeriesApi<'Area'>

/** The length of the history: how many candles or ticks are loaded. */
const CANDLES = 500
const TICKS = 600

/** How many candles are loaded for the range of all: as many as the server gives at once. */
const ALL_CANDLES = 5000

/** How much room there is to the right of the newest bar, in bars. */
const RIGHT_OFFSET = 6

/** Older bars are loaded when fewer than so many are left of the chart's left edge. */
const LOAD_BEFORE = 20

/** How wide the price scale is before there are prices, in pixels: most fit in, so that the chart does not become narrower when they come. */
const SCALE_WIDTH = 64

/** The largest distance between two bars, in pixels. */
const MAX_SPACING = 48

/** On a phone, a finger that moves up and down scrolls the page. */
const SCROLLING = { mouseWheel: true, pressedMouseMove: true, horzTouchDrag: true, vertTouchDrag: false }

/** The library's own label shows the newest bar in view; ours shows the newest price. */
const NO_LABEL = { lastValueVisible: false, priceLineVisible: false } as const

interface ChartProps {
  readonly instrument: Instrument
  readonly timeframe: Timeframe
  /** The span of time to show; undefined for as many bars as fit. */
  readonly range: Range | undefined
  /** Changes when the range is to be shown anew. */
  readonly asked: number
  readonly style: ChartStyle
  readonly zone: Zone
  readonly indicators: readonly Indicator[]
  readonly theme: Theme
  /** Entry prices and barriers. */
  readonly lines: readonly PriceLine[]
  /** The contract that is shown. */
  readonly contract: ContractZone | undefined
  /** Called with the price that the ticket's barrier is dragged to. */
  readonly onBarrier: (price: number) => void
  /** Called with the time at which the history begins, in milliseconds since 1970; undefined where it is longer than the range. */
  readonly onBegin: (epochMs: number | undefined) => void
}

/** The live chart of an instrument: first its history, then updates from the stream. */
export function Chart({
  instrument,
  timeframe,
  range,
  asked,
  style,
  zone,
  indicators,
  theme,
  lines,
  contract,
  onBarrier,
  onBegin,
}: ChartProps) {
  const store = useStore()
  const language = useLanguage()
  const { id, pip_size, display_name } = instrument
  const box = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLDivElement>(null)
  const chart = useRef<IChartApi>(null)
  const series = useRef<Series>(null)
  const overlay = useRef<ContractOverlay>(null)
  const ticketPrice = lines.find(({ key }) => key === TICKET_LINE)?.price
  // What callbacks of the chart need, so that they need not be made anew.
  const latest = useRef({ ticketPrice, onBarrier, onBegin, range, zone })
  useEffect(() => {
    latest.current = { ticketPrice, onBarrier, onBegin, range, zone }
  })
  /** Shows the range, or says where its history begins, as far as it has come. */
  const showRange = useRef<(isMoved: boolean) => void>(() => {})
  const [note, setNote] = useState<string>()
  const [isScrolledBack, setScrolledBack] = useState(false)
  const indicatorsText = JSON.stringify(indicators)

  useEffect(() => {
    if (box.current === null) return
    const made = createChart(box.current, {
      autoSize: true,
      crosshair: { mode: CrosshairMode.Normal },
      handleScroll: SCROLLING,
      layout: { attributionLogo: false },
      rightPriceScale: { borderVisible: false, minimumWidth: SCALE_WIDTH, scaleMargins: { top: 0.12, bottom: 0.08 } },
      timeScale: { borderVisible: false, timeVisible: true, rightOffset: RIGHT_OFFSET },
    })
    chart.current = made
    return () => {
      chart.current = null
      made.remove()
    }
  }, [])

  // biome-ignore lint/correctness/useExhaustiveDependencies: another language writes prices in another way.
  useEffect(() => {
    const { current: on } = chart
    if (on === null) return
    let said: string | undefined = texts.chart.loading
    setNote(said)
    // Of what changes nothing React keeps a record until the component renders again, which may be hours away: one for each price.
    const say = (note: string | undefined) => {
      if (note !== said) setNote(note)
      said = note
    }
    const granularity = TIMEFRAMES[timeframe]
    const isLine = granularity === 0 || style === 'area'
    const formatter = (price: number) => formatPrice(price, pip_size)
    const priceFormat = { type: 'custom', formatter, minMove: 10 ** -pip_size } as const
    const made: Series = isLine
      ? on.addSeries(AreaSeries, { priceFormat, lineWidth: 2, ...NO_LABEL })
      : style === 'bars'
        ? on.addSeries(BarSeries, { priceFormat, ...NO_LABEL })
        : on.addSeries(CandlestickSeries, { priceFormat, ...NO_LABEL })
    const drawn = new IndicatorSeries(on, JSON.parse(indicatorsText) as Indicator[], pip_size, pageColor)
    series.current = made
    overlay.current = new ContractOverlay((time) => placeOf(time, live.points, granularity || tickSpacing(live.points)))
    made.attachPrimitive(overlay.current)
    paint(on, made)
    on.timeScale().applyOptions({ secondsVisible: granularity === 0, barSpacing: granularity === 0 ? 4 : 9 })
    // If the user has dragged the price scale, it would still show the range of the previous instrument.
    on.priceScale('right').applyOptions({ autoScale: true })
    const draw = (bar: Bar) => (isLine ? { time: bar.time, value: bar.close } : bar)
    let isFirst = true
    let hovered: number | undefined
    let priceLine: IPriceLine | undefined
    let marked = ''
    const describe = () => {
      if (legend.current === null) return
      const bar = hovered === undefined ? live.last : live.at(hovered)
      legend.current.dataset['direction'] =
        bar === undefined || granularity === 0 ? '' : bar.close >= bar.open ? 'up' : 'down'
      legend.current.textContent = bar === undefined ? '' : describeBar(bar, granularity, pip_size, latest.current.zone)
    }
    /** Marks the newest price, also while the chart is scrolled back. */
    const mark = () => {
      const { last } = live
      if (last === undefined) return
      const name = isLine ? 'accent' : last.close >= last.open ? 'up' : 'down'
      // The page's colours are read only when they are others: that has the browser compute the styles of the page.
      const colored = `${name} ${document.documentElement.dataset['theme']}`
      if (priceLine === undefined || colored !== marked) {
        marked = colored
        const color = pageColor(name)
        const axis = { color, axisLabelColor: color, axisLabelTextColor: pageColor('surface') }
        const style = { lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: true, title: '' } as const
        priceLine ??= made.createPriceLine({ price: last.close, ...style })
        priceLine.applyOptions(axis)
      }
      priceLine.applyOptions({ price: last.close })
    }
    const live = new LiveSeries<Bar>({
      load: async (signal, before) => {
        const time = before && Math.round(1000 * before.time)
        return granularity === 0
          ? (await fetchTicks(id, TICKS, signal, time)).map(barOfTick)
          : (
              await fetchCandles(id, granularity, latest.current.range === 'all' ? ALL_CANDLES : CANDLES, signal, time)
            ).map(barOfCandle)
      },
      show: (bars) => {
        made.setData(bars.map(draw))
        say(bars.length === 0 ? texts.chart.none : undefined)
        if (isFirst) showNewest(on, bars.length)
        showRange.current(isFirst)
        isFirst = false
        mark()
        describe()
        drawn.update(() => live.points)
      },
      append: (bar) => {
        made.update(draw(bar))
        say(undefined)
        mark()
        describe()
        drawn.update(() => live.points)
      },
      fail: ({ message }) => say(texts.chart.failed(message)),
    })
    showRange.current = (isMoved) => {
      const { range, onBegin } = latest.current
      const [first] = live.points
      if (range === undefined || first === undefined) return onBegin(undefined)
      const start = startOf(live.points, range, granularity)
      onBegin(start.isWhole ? undefined : 1000 * first.time)
      if (isMoved) showFrom(on, live.points.length, start.first)
    }
    const topic = granularity === 0 ? `ticks:${id}` : `candles:${id}:${granularity}`
    const end = store.subscribe(topic, ({ envelope, isStale }) => {
      if (isStale || (envelope?.event !== 'tick' && envelope?.event !== 'candle')) return
      const bar = envelope.event === 'tick' ? barOfTick(envelope.data) : barOfCandle(envelope.data)
      // For a new candle, `merged` does not count: the events left out may include the final update of the candle before it.
      const merged = bar.time === live.last?.time || granularity === 0 ? envelope.merged : 0
      live.push(bar, envelope.seq, merged)
    })
    const endStates = store.onState(({ status }) => {
      if (status !== 'open') live.lost()
    })
    const hover = ({ seriesData }: MouseEventParams) => {
      hovered = seriesData.get(made)?.time as UTCTimestamp | undefined
      describe()
    }
    on.subscribeCrosshairMove(hover)
    const scroll = (range: LogicalRange | null) => {
      if (range === null || isFirst) return
      setScrolledBack(range.to < live.points.length - 1)
      if (range.from < LOAD_BEFORE) void live.loadOlder()
    }
    on.timeScale().subscribeVisibleLogicalRangeChange(scroll)
    return () => {
      end()
      endStates()
      live.stop()
      on.unsubscribeCrosshairMove(hover)
      on.timeScale().unsubscribeVisibleLogicalRangeChange(scroll)
      // When the whole component unmounts, the chart is removed before its series.
      if (chart.current !== null) {
        drawn.remove()
        on.removeSeries(made)
      }
      setScrolledBack(false)
      showRange.current = () => {}
      series.current = null
      overlay.current = null
    }
  }, [store, id, pip_size, timeframe, style, indicatorsText, language])

  // biome-ignore lint/correctness/useExhaustiveDependencies: a range that is asked for again is shown again.
  useEffect(() => showRange.current(true), [range, asked])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page, and the theme changes them.
  useEffect(() => {
    if (chart.current !== null && series.current !== null) paint(chart.current, series.current)
  }, [theme])

  // biome-ignore lint/correctness/useExhaustiveDependencies: the language has other names of months.
  useEffect(() => {
    const format = (options: Intl.DateTimeFormatOptions) =>
      new Intl.DateTimeFormat(texts.locale, { ...options, ...(zone === 'utc' && { timeZone: 'UTC' }) })
    const [date, month, year] = [
      format({ day: 'numeric', month: 'short' }),
      format({ month: 'short' }),
      format({ year: 'numeric' }),
    ]
    const [minutes, seconds] = [
      format({ hour: '2-digit', minute: '2-digit' }),
      format({ hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    ]
    const marks = [year, month, date, minutes, seconds]
    chart.current?.applyOptions({
      localization: {
        timeFormatter: (time: UTCTimestamp) => `${date.format(1000 * time)} ${seconds.format(1000 * time)}`,
      },
      timeScale: {
        tickMarkFormatter: (time: UTCTimestamp, kind: TickMarkType) => (marks[kind] ?? minutes).format(1000 * time),
      },
    })
  }, [zone, language])

  // Compared as text, because the array is a new one at every price.
  const linesText = JSON.stringify(lines)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of these makes a new series or changes the colours.
  useEffect(() => {
    const { current: on } = series
    if (on === null) return
    const lines = JSON.parse(linesText) as PriceLine[]
    const made = lines.map((line) => on.createPriceLine(lineOptions(line)))
    on.applyOptions({
      autoscaleInfoProvider: (own: () => AutoscaleInfo | null) => {
        const info = own()
        if (info?.priceRange == null) return info
        const prices = lines.map(({ price }) => price)
        return { ...info, priceRange: widen(info.priceRange, prices) }
      },
    })
    return () => {
      if (series.current === on) for (const line of made) on.removePriceLine(line)
    }
  }, [linesText, store, id, pip_size, timeframe, style, indicatorsText, theme])

  const zoneText = JSON.stringify(contract)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of these makes a new series or changes the colours.
  useEffect(() => {
    const shown = zoneText === undefined ? undefined : (JSON.parse(zoneText) as ContractZone)
    overlay.current?.show(shown, { fill: pageColor('up-flash'), line: pageColor('muted'), dot: pageColor('accent') })
  }, [zoneText, store, id, pip_size, timeframe, style, indicatorsText, theme])

  useEffect(() => {
    if (box.current === null) return
    let preview: IPriceLine | undefined
    const priceAt = (y: number) => series.current?.coordinateToPrice(y) ?? undefined
    return makeDraggable(box.current, {
      position: () => {
        const { ticketPrice } = latest.current
        return ticketPrice === undefined ? null : (series.current?.priceToCoordinate(ticketPrice) ?? null)
      },
      onHold: (isHeld) => {
        chart.current?.applyOptions({ handleScroll: !isHeld && SCROLLING, handleScale: !isHeld })
        if (!isHeld && preview !== undefined) series.current?.removePriceLine(preview)
        preview = undefined
      },
      onMove: (y) => {
        const price = priceAt(y)
        if (price === undefined) return
        const line: PriceLine = { key: '', price, title: texts.chart.barrier, kind: 'barrier', direction: '' }
        if (preview === undefined) preview = series.current?.createPriceLine(lineOptions(line))
        else preview.applyOptions({ price })
      },
      onDrop: (y) => {
        const price = priceAt(y)
        if (price !== undefined) latest.current.onBarrier(price)
      },
    })
  }, [])

  return (
    <div className="chart">
      <div className="canvas" role="img" aria-label={texts.chart.label(display_name, timeframe)} ref={box} />
      <div className="legend" ref={legend} aria-hidden="true" />
      {note !== undefined && <p className="note">{note}</p>}
      {isScrolledBack && (
        <button
          type="button"
          className="button now"
          onClick={() => chart.current?.timeScale().scrollToPosition(RIGHT_OFFSET, false)}
        >
          {texts.chart.backToNow}
        </button>
      )}
      {/* Replaces the library's own link, which would be inside an element with the role of an image. */}
      <a className="credit" href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
        {texts.chart.credit}
      </a>
    </div>
  )
}

/** Returns the usual time between two ticks, in seconds. */
function tickSpacing(ticks: readonly Bar[]): number {
  const some = ticks.slice(-100)
  const [first, last] = [some[0]?.time ?? 0, some.at(-1)?.time ?? 0]
  return last > first ? (last - first) / (some.length - 1) : 1
}

/** Shows the newest bars; a few of them wider, so that the chart is not empty. */
function showNewest(chart: IChartApi, bars: number): void {
  const scale = chart.timeScale()
  if (bars > 0 && bars * scale.options().barSpacing < scale.width() / 2)
    scale.applyOptions({ barSpacing: Math.min(MAX_SPACING, scale.width() / 2 / bars) })
  scale.scrollToRealTime()
}

/** Shows the bars from one on; a few of them no wider than usual. */
function showFrom(chart: IChartApi, bars: number, first: number): void {
  const scale = chart.timeScale()
  const shown = Math.max(bars - first, scale.width() / MAX_SPACING - RIGHT_OFFSET)
  scale.setVisibleLogicalRange({ from: bars - shown - 0.5, to: bars - 1 + RIGHT_OFFSET })
}

/** Returns the prices of a bar, or the price and time of a tick, as text. */
function describeBar({ time, open, high, low, close }: Bar, granularity: number, decimals: number, zone: Zone): string {
  if (granularity === 0) return `${formatTime(1000 * time, Date.now(), zone)}  ${formatPrice(close, decimals)}`
  const prices = [open, high, low, close]
  return prices.map((price, place) => `${texts.chart.letters[place]} ${formatPrice(price, decimals)}`).join('  ')
}

function barOfCandle({ open_epoch_ms, open, high, low, close }: Candle): Bar {
  const time = (Number(open_epoch_ms) / 1000) as UTCTimestamp
  return { time, open: Number(open), high: Number(high), low: Number(low), close: Number(close) }
}

function barOfTick({ epoch_ms, price }: Tick): Bar {
  const value = Number(price)
  return { time: (Number(epoch_ms) / 1000) as UTCTimestamp, open: value, high: value, low: value, close: value }
}

function lineOptions({ price, title, kind, direction }: PriceLine): CreatePriceLineOptions {
  const color = pageColor(direction || 'muted')
  const lineStyle = kind === 'entry' ? LineStyle.Dotted : LineStyle.Dashed
  return {
    price,
    title,
    color,
    lineStyle,
    lineWidth: 1,
    axisLabelVisible: true,
    axisLabelColor: color,
    axisLabelTextColor: pageColor('surface'),
  }
}

function pageColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

/** Applies the page's colours to a chart. */
function paint(chart: IChartApi, series: Series): void {
  const color = pageColor
  chart.applyOptions({
    layout: {
      background: { color: 'transparent' },
      textColor: color('muted'),
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      panes: { separatorColor: color('line'), separatorHoverColor: color('grid') },
    },
    grid: { vertLines: { color: color('grid') }, horzLines: { color: color('grid') } },
    crosshair: {
      vertLine: { color: color('muted'), labelBackgroundColor: color('ink-soft') },
      horzLine: { color: color('muted'), labelBackgroundColor: color('ink-soft') },
    },
  })
  const up = color('up')
  const down = color('down')
  const accent = color('accent')
  const options: DeepPartial<SeriesPartialOptionsMap['Candlestick'] & SeriesPartialOptionsMap['Area']> = {
    upColor: up,
    downColor: down,
    wickUpColor: up,
    wickDownColor: down,
    borderVisible: false,
    lineColor: accent,
    topColor: `${accent}40`,
    bottomColor: `${accent}00`,
  }
  series.applyOptions(options)
}
