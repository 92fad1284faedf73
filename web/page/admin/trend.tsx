const WIDTH = 240
const HEIGHT = 36

/** How many values fill the width: two minutes, one a second. */
const PLACES = 120

/** The values of the last two minutes as an area, from 0. Hidden from screen readers: the newest value stands beside it. */
export function Trend({ values, atLeast = 0 }: { values: readonly number[]; atLeast?: number }) {
  const highest = Math.max(atLeast, ...values) || 1
  const step = WIDTH / (PLACES - 1)
  const x = (place: number) => WIDTH - step * (values.length - 1 - place)
  const y = (value: number) => HEIGHT - (HEIGHT - 2) * (value / highest)
  const points = values.map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`)
  return (
    <svg className="trend" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      {points.length > 1 && (
        <>
          <polygon points={[`${x(0).toFixed(1)},${HEIGHT}`, ...points, `${WIDTH},${HEIGHT}`].join(' ')} />
          <polyline points={points.join(' ')} />
        </>
      )}
    </svg>
  )
}
