import { useEffect, useState } from 'react'
import { formatCount } from '../format.js'
import { texts } from '../texts/language.js'
import { Marked } from '../texts/marked.js'
import { delays } from './delays.js'

/** How many seconds the chart goes back. */
const SECONDS = 120

const WIDTH = 320
const HEIGHT = 60

/** The longest delay of each of the last seconds, as bars. */
export function DelayChart() {
  const [seconds, setSeconds] = useState<readonly number[]>([])
  useEffect(() => {
    const timer = setInterval(() => {
      const longest = delays.takeLongest()
      setSeconds((before) => [...before, longest].slice(-SECONDS))
    }, 1000)
    return () => clearInterval(timer)
  }, [])
  const highest = Math.max(10, ...seconds)
  const newest = seconds.at(-1)
  const step = WIDTH / SECONDS
  return (
    <figure className="delays">
      <figcaption>
        <Marked
          text={texts.inspector.longestDelay(newest === undefined ? '–' : formatCount(newest), formatCount(highest))}
        />
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {seconds.map((longest, place) => {
          const height = (HEIGHT * longest) / highest
          const x = WIDTH - step * (seconds.length - place)
          // biome-ignore lint/suspicious/noArrayIndexKey: the bars are places in time.
          return <rect key={place} x={x} y={HEIGHT - height} width={0.8 * step} height={height} />
        })}
      </svg>
    </figure>
  )
}
