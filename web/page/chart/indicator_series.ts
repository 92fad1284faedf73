import { type IChartApi, type ISeriesApi, LineSeries, LineStyle, type UTCTimestamp } from 'lightweight-charts'
import { formatPrice } from '../format.js'
import type { Indicator } from '../preferences.js'
import {
  AVERAGE_PERIOD,
  BOLLINGER_PERIOD,
  BOLLINGER_WIDTH,
  bollinger,
  movingAverage,
  RSI_PERIOD,
  relativeStrength,
} from './indicators.js'

/** The price at the end of a bar, and its time in seconds since 1970. */
export interface Close {
  readonly time: UTCTimestamp
  readonly close: number
}

/** The time between two computations, in milliseconds. */
const UPDATE_EVERY = 250

/** The lowest pane with the relative strength index, which has a scale of its own. */
const RSI_PANE = 1

/** Draws indicators on a chart, beside the prices that they are computed from. */
export class IndicatorSeries {
  readonly #chart: IChartApi
  readonly #lines: {
    readonly series: ISeriesApi<'Line'>
    readonly computeFrom: (closes: number[]) => (number | undefined)[]
  }[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param color - returns a colour of the page by its name. */
  constructor(chart: IChartApi, wanted: readonly Indicator[], decimals: number, color: (name: string) => string) {
    this.#chart = chart
    const add = (
      name: string,
      style: LineStyle,
      pane: number,
      computeFrom: (closes: number[]) => (number | undefined)[],
    ) => {
      const series = chart.addSeries(
        LineSeries,
        {
          color: color(name),
          lineWidth: 1,
          lineStyle: style,
          lastValueVisible: pane === RSI_PANE,
          priceLineVisible: false,
          crosshairMarkerVisible: false,
          priceFormat: {
            type: 'custom',
            formatter: (value: number) => formatPrice(value, pane === RSI_PANE ? 1 : decimals),
            minMove: pane === RSI_PANE ? 0.1 : 10 ** -decimals,
          },
        },
        pane,
      )
      this.#lines.push({ series, computeFrom })
      return series
    }
    if (wanted.includes('average'))
      add('warning', LineStyle.Solid, 0, (closes) => movingAverage(closes, AVERAGE_PERIOD))
    if (wanted.includes('bollinger'))
      for (const side of ['upper', 'lower'] as const)
        add('muted', LineStyle.Solid, 0, (closes) =>
          bollinger(closes, BOLLINGER_PERIOD, BOLLINGER_WIDTH).map((band) => band?.[side]),
        )
    if (wanted.includes('rsi')) {
      const series = add('accent', LineStyle.Solid, RSI_PANE, (closes) => relativeStrength(closes, RSI_PERIOD))
      for (const price of [30, 70])
        series.createPriceLine({
          price,
          color: color('line'),
          lineStyle: LineStyle.Dashed,
          axisLabelVisible: false,
          title: '',
        })
      chart.panes()[RSI_PANE]?.setStretchFactor(0.4)
    }
  }

  /** Computes the indicators anew, soon. */
  update(closes: () => readonly Close[]): void {
    if (this.#lines.length === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#draw(closes())
    }, UPDATE_EVERY)
  }

  /** Takes the indicators off the chart. */
  remove(): void {
    clearTimeout(this.#timer)
    for (const { series } of this.#lines) this.#chart.removeSeries(series)
  }

  #draw(closes: readonly Close[]): void {
    const prices = closes.map(({ close }) => close)
    for (const { series, computeFrom } of this.#lines) {
      const values = computeFrom(prices)
      series.setData(
        closes.map(({ time }, place) => {
          const value = values[place]
          // A point without a value keeps its place in time.
          return value === undefined ? { time } : { time, value }
        }),
      )
    }
  }
}
