import { texts } from '../texts/language.js'
import type { LifeTick } from './use_contract.js'

const WIDTH = 360
const HEIGHT = 150
const MARGIN = 8

/** The height of a line of text. */
const TEXT = 12

interface LifeChartProps {
  readonly ticks: readonly LifeTick[]
  /** The barrier, or the entry spot of a contract without one; undefined for none. */
  readonly barrier: number | undefined
  readonly direction: 'up' | 'down' | ''
}

/** The prices of a contract's life as a line, with its barrier; hidden from screen readers, which have the table below. */
export function LifeChart({ ticks, barrier, direction }: LifeChartProps) {
  const prices = ticks.map(({ price }) => Number(price))
  const [low, high] = [Math.min(...prices, barrier ?? Infinity), Math.max(...prices, barrier ?? -Infinity)]
  const [begin, end] = [ticks[0]?.epochMs ?? 0, ticks.at(-1)?.epochMs ?? 0]
  const x = ({ epochMs }: LifeTick) => MARGIN + ((WIDTH - 2 * MARGIN) * (epochMs - begin)) / Math.max(1, end - begin)
  const y = (price: number) =>
    high === low ? HEIGHT / 2 : MARGIN + ((HEIGHT - 2 * MARGIN) * (high - price)) / (high - low)
  const [first, last] = [ticks[0], ticks.at(-1)]
  return (
    <svg className={`life ${direction}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {barrier !== undefined && (
        <>
          <line x1={0} x2={WIDTH} y1={y(barrier)} y2={y(barrier)} />
          {/* Below the line where there is no room above it. */}
          <text x={WIDTH - 2} y={y(barrier) < TEXT + 4 ? y(barrier) + TEXT : y(barrier) - 4}>
            {texts.chart.barrier}
          </text>
        </>
      )}
      <polyline points={ticks.map((tick) => `${x(tick).toFixed(1)},${y(Number(tick.price)).toFixed(1)}`).join(' ')} />
      {first !== undefined && <circle cx={x(first)} cy={y(Number(first.price))} r={4} />}
      {last !== undefined && last !== first && (
        <circle className="exit" cx={x(last)} cy={y(Number(last.price))} r={4} />
      )}
    </svg>
  )
}
