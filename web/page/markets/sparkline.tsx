const WIDTH = 48
const HEIGHT = 18

/** The prices of the last hours as a small line. Hidden from screen readers: the change beside it says the same. */
export function Sparkline({ prices, direction }: { prices: readonly number[]; direction: 'up' | 'down' | '' }) {
  const [low, high] = [Math.min(...prices), Math.max(...prices)]
  const x = (place: number) => (WIDTH * place) / Math.max(1, prices.length - 1)
  const y = (price: number) => (high === low ? HEIGHT / 2 : 1 + ((HEIGHT - 2) * (high - price)) / (high - low))
  const points = prices.map((price, place) => `${x(place).toFixed(1)},${y(price).toFixed(1)}`).join(' ')
  return (
    <svg className={`sparkline ${direction}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {prices.length > 1 && <polyline points={points} />}
    </svg>
  )
}
