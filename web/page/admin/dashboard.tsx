import { type ReactNode, useState } from 'react'
import type { ServerOptions } from '../../src/pricewire.js'
import { usePricewireState, useTopic } from '../../src/react.js'
import type { AdminBody } from '../../src/schema.js'
import { StatusOf } from '../connection_status.js'
import { refusalOf, sentence } from '../error_text.js'
import { formatAge, formatBytes, formatCount, formatPrice } from '../format.js'
import { Icon } from '../icons.js'
import { texts } from '../texts/language.js'
import { Drain } from './drain.js'
import { addReport, type Rates, type ReportHistory } from './report_history.js'
import { Accounts, Exposure, Feeds, Refusals, Topics } from './tables.js'
import { Trend } from './trend.js'

/** From this delay of the event loop on, in milliseconds, the process has more work than one core can do. */
const LATE = 50

interface DashboardProps {
  readonly token: string
  /** Called when the operator leaves, or the server refuses the token; with the reason then. */
  readonly onLeave: (why?: string) => void
}

/** How the server is doing, live. */
export function Dashboard({ token, onLeave }: DashboardProps) {
  // The page may stay open for days, so it never gives up.
  const options: ServerOptions = { token, reconnectAttempts: Number.POSITIVE_INFINITY, reconnectCeiling: 5000 }
  const [history, setHistory] = useState<ReportHistory>()
  const [isDraining, setDraining] = useState(false)
  const { isStale } = useTopic<AdminBody>('admin', {
    ...options,
    onData: (report) => setHistory((before) => addReport(before, report)),
    onError: (error) => {
      if (error.status === 400 || error.status === 401 || error.status === 403) onLeave(refusalOf(error))
    },
  })
  const { state } = usePricewireState(options)
  const report = history?.report
  return (
    <>
      <header className="bar">
        <h1>
          <Icon name="brand" />
          <span>{texts.admin.title}</span>
        </h1>
        <StatusOf state={state} />
        {report !== undefined && (
          <small className="version">
            {texts.admin.upFor(report.version, formatAge(report.epoch_ms - report.started_epoch_ms))}
          </small>
        )}
        <div className="tools">
          {report?.can_drain === true && (
            <button type="button" className="button" onClick={() => setDraining(true)}>
              {texts.admin.drain}
            </button>
          )}
          <button type="button" className="button" onClick={() => onLeave()}>
            {texts.admin.leave}
          </button>
        </div>
      </header>
      {history === undefined ? <p className="empty">{texts.admin.waiting}</p> : <Cards {...history} isOld={isStale} />}
      {isDraining && report !== undefined && (
        <Drain token={token} streams={total(report)} onClose={() => setDraining(false)} />
      )}
    </>
  )
}

function Cards({ report, rates, refused, isOld }: ReportHistory & { isOld: boolean }) {
  const { streams, trading, loop_delay: delay } = report
  const now: Rates | undefined = rates.at(-1)
  const of = (name: keyof Rates) => rates.map((each) => each[name])
  return (
    <main className="cards" data-old={isOld}>
      <div role="alert" className="problems">
        {report.is_draining && <p>{texts.admin.stopping}</p>}
        {report.problems.map((problem) => (
          <p key={problem}>{sentence(problem)}</p>
        ))}
      </div>
      <Card title={texts.admin.streams} value={formatCount(total(report))} trend={<Trend values={of('streams')} />}>
        <Figure name={texts.admin.lagging} value={streams.lagging} isBad={streams.lagging > 0} />
        <Figure name={texts.admin.lagged} value={streams.lagged} />
        <Figure name={texts.admin.dropped} value={streams.dropped} isBad={streams.dropped > 0} />
        <Figure name={texts.admin.resumed} value={streams.resumed} />
        <Figure name={texts.admin.reset} value={streams.reset} />
        {Object.entries(streams.open).map(([endpoint, count]) => (
          <Figure key={endpoint} name={texts.admin.endpoint(endpoint)} value={count} />
        ))}
      </Card>
      <Card title={texts.admin.delivered} value={perSecond(now?.delivered)} trend={<Trend values={of('delivered')} />}>
        <Figure name={texts.admin.published} value={perSecond(now?.published)} />
        <Figure name={texts.admin.merged} value={perSecond(now?.merged)} />
        <Figure name={texts.admin.written} value={now === undefined ? '–' : texts.admin.rate(formatBytes(now.bytes))} />
      </Card>
      <Card
        title={texts.admin.loopDelay}
        value={`${formatPrice(delay.longest_ms, 1)} ms`}
        isBad={delay.longest_ms >= LATE}
        trend={<Trend values={of('delay')} atLeast={LATE} />}
        note={texts.admin.loopDelayHint(formatCount(LATE))}
      >
        <Figure name={texts.admin.mean} value={`${formatPrice(delay.mean_ms, 1)} ms`} />
      </Card>
      <Card title={texts.admin.contracts} value={formatCount(trading.open_contracts)} note={texts.admin.contractsHint}>
        <Figure
          name={texts.admin.unsettled}
          value={trading.unsettled_contracts}
          isBad={trading.unsettled_contracts > 100}
        />
        <Figure name={texts.admin.bought} value={trading.purchases} />
        <Figure name={texts.admin.sold} value={trading.sales} />
      </Card>
      {streams.gateways > 0 && (
        <p className="hint wide">
          {texts.admin.onGateways(formatCount(streams.on_gateways), formatCount(streams.gateways))}
        </p>
      )}
      <Feeds report={report} />
      <Exposure report={report} />
      <Topics report={report} />
      <Refusals report={report} recent={refused} />
      <Accounts report={report} />
    </main>
  )
}

interface CardProps {
  readonly title: string
  readonly value: string
  readonly isBad?: boolean
  readonly trend?: ReactNode
  readonly note?: string
  readonly children: ReactNode
}

function Card({ title, value, isBad = false, trend, note, children }: CardProps) {
  return (
    <section className="card figure" aria-label={title}>
      <h2>{title}</h2>
      <p className={`value ${isBad ? 'down' : ''}`}>{value}</p>
      {trend}
      <dl>{children}</dl>
      {note !== undefined && <p className="hint">{note}</p>}
    </section>
  )
}

function Figure({ name, value, isBad = false }: { name: string; value: number | string; isBad?: boolean }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={isBad ? 'down' : ''}>{typeof value === 'number' ? formatCount(value) : value}</dd>
    </div>
  )
}

/** Returns how many streams are open. */
function total({ streams }: AdminBody): number {
  return Object.values(streams.open).reduce((sum, count) => sum + count, 0)
}

function perSecond(rate: number | undefined): string {
  return rate === undefined ? '–' : texts.admin.rate(formatCount(Math.round(rate)))
}
