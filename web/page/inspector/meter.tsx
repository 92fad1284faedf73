import { useEffect, useState } from 'react'
import { useStore } from '../connection.js'
import { formatBytes, formatCount } from '../format.js'
import { texts } from '../texts/language.js'
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
      <div title={texts.inspector.updatesHint}>
        <dt>{texts.inspector.updates}</dt>
        <dd className="rate">{formatCount(rates.updates)}/s</dd>
      </div>
      <div title={texts.inspector.dataHint}>
        <dt>{texts.inspector.data}</dt>
        <dd>{formatBytes(rates.bytes)}/s</dd>
      </div>
      <div title={texts.inspector.delayHint(formatCount(delay?.count ?? 0))}>
        <dt>
          {texts.inspector.delay} <abbr title={texts.inspector.medianHint}>p50</abbr> ·{' '}
          <abbr title={texts.inspector.p99Hint}>p99</abbr>
        </dt>
        <dd>{delay === undefined ? '–' : `${delay.median} · ${delay.p99} ms`}</dd>
      </div>
    </dl>
  )
}
