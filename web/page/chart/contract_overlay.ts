import type {
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  Logical,
  SeriesAttachedParameter,
  Time,
} from 'lightweight-charts'
import type { ContractZone } from './contract_zone.js'

/** The colours of a zone, as CSS colours. */
export interface ZoneColors {
  readonly fill: string
  readonly line: string
  readonly dot: string
}

/** Draws a contract on a chart: where it wins, from its entry to its end, with a dot at the entry and at the exit. */
export class ContractOverlay implements ISeriesPrimitive<Time> {
  #attached: SeriesAttachedParameter<Time> | undefined
  #zone: ContractZone | undefined
  #colors: ZoneColors = { fill: '', line: '', dot: '' }
  readonly #placeOf: (time: number) => number | undefined
  readonly #views: readonly IPrimitivePaneView[]

  /** @param placeOf - returns the place of a time in seconds, counted in bars; undefined while there are none. */
  constructor(placeOf: (time: number) => number | undefined) {
    this.#placeOf = placeOf
    const renderer: IPrimitivePaneRenderer = { draw: () => {}, drawBackground: (target) => this.#draw(target) }
    this.#views = [{ zOrder: () => 'bottom', renderer: () => renderer }]
  }

  /** Called by the chart. */
  attached(parameters: SeriesAttachedParameter<Time>): void {
    this.#attached = parameters
  }

  /** Called by the chart. */
  detached(): void {
    this.#attached = undefined
  }

  /** Called by the chart. */
  paneViews(): readonly IPrimitivePaneView[] {
    return this.#views
  }

  /** Shows another contract; undefined shows none. */
  show(zone: ContractZone | undefined, colors: ZoneColors): void {
    this.#zone = zone
    this.#colors = colors
    this.#attached?.requestUpdate()
  }

  #draw(target: Parameters<IPrimitivePaneRenderer['draw']>[0]): void {
    const { chart, series } = this.#attached ?? {}
    const zone = this.#zone
    if (chart === undefined || series === undefined || zone === undefined) return
    const x = (time: number) => {
      const place = this.#placeOf(time)
      if (place === undefined) return null
      // The chart knows the places of whole bars only.
      const bar = Math.floor(place)
      const scale = chart.timeScale()
      const [at, next] = [scale.logicalToCoordinate(bar as Logical), scale.logicalToCoordinate((bar + 1) as Logical)]
      return at === null || next === null ? null : at + (place - bar) * (next - at)
    }
    const [left, right, level] = [x(zone.entry.time), x(zone.end), series.priceToCoordinate(zone.barrier)]
    if (left === null || right === null || level === null) return
    // biome-ignore lint/correctness/useHookAtTopLevel: it is a method of a canvas, not a hook of React.
    target.useMediaCoordinateSpace(({ context, mediaSize: { height } }) => {
      const [top, bottom] = zone.wins === 'above' ? [0, level] : [level, height]
      context.fillStyle = this.#colors.fill
      context.fillRect(left, top, Math.max(1, right - left), Math.max(0, bottom - top))
      context.strokeStyle = this.#colors.line
      context.lineWidth = 1
      context.setLineDash([4, 4])
      for (const at of [left, right]) {
        context.beginPath()
        context.moveTo(Math.round(at) + 0.5, 0)
        context.lineTo(Math.round(at) + 0.5, height)
        context.stroke()
      }
      context.fillStyle = this.#colors.dot
      for (const point of [zone.entry, zone.exit]) {
        if (point === undefined) continue
        const [px, py] = [x(point.time), series.priceToCoordinate(point.price)]
        if (px === null || py === null) continue
        context.beginPath()
        context.arc(px, py, 4, 0, 2 * Math.PI)
        context.fill()
      }
    })
  }
}
