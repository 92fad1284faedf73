import { useEffect, useState } from 'react'
import { useStore } from '../connection.js'
import { formatBytes } from '../format.js'
import { delays } from './delays.js'
import { tap } from './wire_tap.js'

/** The time between two updates of the figures, in milliseconds. */
const PERIOD = 1000

/** The page's incoming traffic: updates and bytes per second, and the delay of prices. */
export function Meter() {
  const store = useStore()
  const [rates, setRates] = useState({ updates: 0, bytes: 0 })
  useEffect(() => {
    let { received } = store
    let { bytes } = tap
    let at = performance.now()
    const timer = setInterval(() => {
      const now = performance.now() // a timer may fire late
      const rate = (count: number) => (1000 * count) / (now - at)
      setRates({ updates: Math.round(rate(store.received - received)), bytes: rate(tap.bytes - bytes) })
      received = store.received
      bytes = tap.bytes
      at = now
    }, PERIOD)
    return () => clearInterval(timer)
  }, [store])
  const delay = delays.statistics()
  return (
    <dl className="meter">
      <div title="messages received per second">
        <dt>Updates</dt>
        <dd className="rate">{rates.updates.toLocaleString('en')}/s</dd>
      </div>
      <div title="bytes of events per second, after decompression">
        <dt>Data</dt>
        <dd>{formatBytes(rates.bytes)}/s</dd>
      </div>
      <div
        title={
          `The delay of the ${delay?.count ?? 0} price updates since the page was opened. ` +
          'The clocks of server and browser differ, so the fastest update counts as 0 ms.'
        }
      >
        <dt>
          Delay <abbr title="half of the updates had at most this delay">p50</abbr> ·{' '}
          <abbr title="99 of 100 updates had at most this delay">p99</abbr>
        </dt>
        <dd>{delay === undefined ? '–' : `${delay.median} · ${delay.p99} ms`}</dd>
      </div>
    </dl>
  )
}
