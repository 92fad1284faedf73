import { useEffect, useState } from 'react'
import { formatBytes } from '../format.js'
import { delays } from '../markets/price.js'
import { useStore } from '../server.js'
import { tap } from './wire_tap.js'

/** How often the figures are brought up to date, in milliseconds. */
const PERIOD = 1000

/** How much comes over the wire, and how late. */
export function Meter() {
  const store = useStore()
  const [rates, setRates] = useState({ updates: 0, bytes: 0 })
  useEffect(() => {
    let { received } = store
    let { bytes } = tap
    let at = performance.now()
    const timer = setInterval(() => {
      const now = performance.now() // since a timer may be late
      const rate = (count: number) => (1000 * count) / (now - at)
      setRates({ updates: Math.round(rate(store.received - received)), bytes: rate(tap.bytes - bytes) })
      received = store.received
      bytes = tap.bytes
      at = now
    }, PERIOD)
    return () => clearInterval(timer)
  }, [store])
  const lateness = delays.lateness()
  return (
    <dl className="meter">
      <div title="messages received per second">
        <dt>Updates</dt>
        <dd className="rate">{rates.updates.toLocaleString('en')}/s</dd>
      </div>
      <div title="bytes of events per second, behind the browser's decompression">
        <dt>Data</dt>
        <dd>{formatBytes(rates.bytes)}/s</dd>
      </div>
      <div
        title={
          `How much later than the fastest one price updates came since the page was opened, of ${lateness?.count ?? 0}. ` +
          'The clocks of server and browser differ, so the fastest update counts as 0.'
        }
      >
        <dt>
          Delay <abbr title="half of the updates came at most so late">p50</abbr> ·{' '}
          <abbr title="99 in 100 updates came at most so late">p99</abbr>
        </dt>
        <dd>{lateness === undefined ? '–' : `${lateness.median} · ${lateness.p99} ms`}</dd>
      </div>
    </dl>
  )
}
