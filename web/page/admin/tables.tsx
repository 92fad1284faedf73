import type { ReactNode } from 'react'
import type { AdminBody } from '../../src/schema.js'
import { formatAge, formatCount, formatMoney, formatPercent } from '../format.js'
import { texts } from '../texts/language.js'
import { lookUp } from '../texts/look_up.js'

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
        texts.admin.openOf(formatCount(open), formatCount(instruments)),
        silent.length === 0 ? (
          '–'
        ) : (
          <b key="silent" className="down">
            {silent.join(', ')}
          </b>
        ),
        formatCount(ticks),
        newest_epoch_ms === null ? '–' : formatAge(report.epoch_ms - newest_epoch_ms),
      ] as const,
  )
  return (
    <Table
      title={texts.admin.feeds}
      columns={[texts.admin.feed, texts.admin.open, texts.admin.silent, texts.admin.ticks, texts.admin.age]}
      rows={rows}
      empty={texts.admin.noFeeds}
      note={texts.admin.ageHint}
    />
  )
}

/** The topics with the most readers. */
export function Topics({ report }: { report: AdminBody }) {
  const rows = report.busiest_topics.map(({ topic, streams }) => [topic, topic, formatCount(streams)] as const)
  return (
    <Table
      title={texts.admin.topics}
      columns={[texts.admin.topic, texts.admin.streams]}
      rows={rows}
      empty={texts.admin.noTopics}
      note={texts.admin.topicsHint(formatCount(report.topics))}
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
        limit === null ? texts.admin.noLimit : formatMoney(limit, currency),
        limit === null ? '–' : <Share key="share" of={Number(may_win)} limit={Number(limit)} />,
      ] as const,
  )
  return (
    <Table
      title={texts.admin.exposure}
      columns={[texts.admin.instrument, texts.admin.mayWin, texts.admin.limit, texts.admin.used]}
      rows={rows}
      empty={texts.admin.noExposure}
      note={texts.admin.exposureHint}
    />
  )
}

function Share({ of, limit }: { of: number; limit: number }) {
  const percent = Math.round((100 * of) / limit)
  return (
    <span className={percent >= 80 ? 'down' : ''}>
      <meter
        min={0}
        max={limit}
        high={0.8 * limit}
        optimum={0}
        value={of}
        aria-label={texts.admin.ofLimit(formatCount(percent))}
      />{' '}
      {formatPercent(percent, 0)}
    </span>
  )
}

/** How many accounts there are, and what they have. */
export function Accounts({ report }: { report: AdminBody }) {
  const rows = report.trading.accounts.map(
    ({ currency, accounts, suspended, balance }) =>
      [currency, currency, formatCount(accounts), formatCount(suspended), formatMoney(balance, currency)] as const,
  )
  return (
    <Table
      title={texts.admin.accounts}
      columns={[texts.admin.currency, texts.admin.accounts, texts.admin.suspended, texts.admin.balances]}
      rows={rows}
      empty={texts.admin.noAccounts}
      note={texts.admin.accountsHint}
    />
  )
}

/** Which requests were refused. */
export function Refusals({ report, recent }: { report: AdminBody; recent: number }) {
  const rows = Object.entries(report.refusals)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, count]) => [reason, lookUp(texts.admin.reasons, reason) ?? reason, formatCount(count)] as const)
  return (
    <Table
      title={texts.admin.refusals}
      columns={[texts.admin.reason, texts.admin.requests]}
      rows={rows}
      empty={texts.admin.noRefusals}
      note={texts.admin.refusalsHint(formatCount(recent))}
    />
  )
}
