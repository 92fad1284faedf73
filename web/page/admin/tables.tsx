import type { ReactNode } from 'react'
import type { AdminBody } from '../../src/schema.js'
import { formatAge, formatMoney } from '../format.js'

interface TableProps {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly [key: string, ...cells: ReactNode[]])[]
  /** What stands there where there are no rows. */
  readonly empty: string
  readonly note?: string | undefined
}

/** A card with a table; the first column names the row. */
function Table({ title, columns, rows, empty, note }: TableProps) {
  return (
    <section className="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note !== undefined && <small>{note}</small>}
      </header>
      {rows.length === 0 ? (
        <p className="empty">{empty}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it.
        <div className="scroll" tabIndex={0}>
          <table className="topics">
            <thead>
              <tr>
                {columns.map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map(([key, ...cells]) => (
                <tr key={key}>
                  <th scope="row">{cells[0]}</th>
                  {cells.slice(1).map((cell, place) => (
                    <td key={columns[place + 1]}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

/** Where prices come from, and how old the newest are. */
export function Feeds({ report }: { report: AdminBody }) {
  const rows = report.feeds.map(
    ({ name, instruments, open, silent, ticks, newest_epoch_ms }) =>
      [
        name,
        name,
        `${open} of ${instruments}`,
        silent.length === 0 ? (
          '–'
        ) : (
          <b key="silent" className="down">
            {silent.join(', ')}
          </b>
        ),
        ticks.toLocaleString('en'),
        newest_epoch_ms === null ? '–' : formatAge(report.epoch_ms - newest_epoch_ms),
      ] as const,
  )
  return (
    <Table
      title="Feeds"
      columns={['Feed', 'Open', 'Silent', 'Ticks', 'Age']}
      rows={rows}
      empty="This server has no feed."
      note="Age is that of the newest price."
    />
  )
}

/** The topics with the most readers. */
export function Topics({ report }: { report: AdminBody }) {
  const rows = report.busiest_topics.map(({ topic, streams }) => [topic, topic, streams.toLocaleString('en')] as const)
  return (
    <Table
      title="Topics by readers"
      columns={['Topic', 'Streams']}
      rows={rows}
      empty="Nobody listens to anything."
      note={`${report.topics.toLocaleString('en')} topics in all`}
    />
  )
}

/** What the house may lose by the open contracts on each instrument. */
export function Exposure({ report }: { report: AdminBody }) {
  const rows = report.trading.exposure.map(
    ({ instrument_id, currency, may_win, limit }) =>
      [
        `${instrument_id} ${currency}`,
        instrument_id,
        formatMoney(may_win, currency),
        limit === null ? 'no limit' : formatMoney(limit, currency),
        limit === null ? '–' : <Share key="share" of={Number(may_win)} limit={Number(limit)} />,
      ] as const,
  )
  return (
    <Table
      title="Exposure by instrument"
      columns={['Instrument', 'Contracts may win', 'Limit', 'Used']}
      rows={rows}
      empty="No contract is open."
      note="Payouts less stakes"
    />
  )
}

function Share({ of, limit }: { of: number; limit: number }) {
  const percent = Math.round((100 * of) / limit)
  return (
    <span className={percent >= 80 ? 'down' : ''}>
      <meter min={0} max={limit} high={0.8 * limit} optimum={0} value={of} aria-label={`${percent} % of the limit`} />{' '}
      {percent} %
    </span>
  )
}

/** How many accounts there are, and what they have. */
export function Accounts({ report }: { report: AdminBody }) {
  const rows = report.trading.accounts.map(
    ({ currency, accounts, suspended, balance }) =>
      [
        currency,
        currency,
        accounts.toLocaleString('en'),
        suspended.toLocaleString('en'),
        formatMoney(balance, currency),
      ] as const,
  )
  return (
    <Table
      title="Accounts"
      columns={['Currency', 'Accounts', 'Suspended', 'Balances']}
      rows={rows}
      empty="There are no accounts."
      note="Looked at every ten seconds"
    />
  )
}

/** Which requests were refused. */
export function Refusals({ report, recent }: { report: AdminBody; recent: number }) {
  const rows = Object.entries(report.refusals)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, count]) => [reason, REASONS[reason] ?? reason, count.toLocaleString('en')] as const)
  return (
    <Table
      title="Refusals"
      columns={['Reason', 'Requests']}
      rows={rows}
      empty="No request was refused."
      note={`${recent.toLocaleString('en')} since this page was opened`}
    />
  )
}

const REASONS: Readonly<Record<string, string>> = {
  account: 'Streams of one account',
  address: 'Streams of one address',
  process: 'Streams of the process',
  rate: 'New streams per second',
  requests: 'Requests of one address',
  quotes: 'Quotes',
  topics: 'Topics of one address',
  history: 'Rows of history of one address',
  parameters: 'Wrong parameters',
}
