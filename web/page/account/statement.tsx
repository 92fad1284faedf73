import { useState } from 'react'
import type { StatementEntry } from '../../src/schema.js'
import { explain } from '../error_text.js'
import { formatMoney, formatProfit, formatTime, profitDirection } from '../format.js'
import { usePreferences } from '../preferences.js'
import { Value } from './contract_cells.js'
import type { Session } from './session.js'
import type { Filter } from './statement_query.js'
import { fetchCsv, useStatement } from './use_statement.js'

const KINDS: Readonly<Record<StatementEntry['kind'], string>> = {
  deposit: 'Deposit',
  withdrawal: 'Withdrawal',
  adjustment: 'Adjustment',
  purchase: 'Purchase',
  sale: 'Sale',
  payout: 'Payout',
  refund: 'Refund',
}

interface StatementProps {
  readonly session: Session
  /** What changes when there may be new entries. */
  readonly version: string
}

/** Every movement of the account's money, newest first, by kind and time, and as a file. */
export function Statement({ session, version }: StatementProps) {
  const [filter, setFilter] = useState<Filter>({ kind: '', from: '', to: '' })
  const { entries, loadMore, problem } = useStatement(session, filter, version)
  const change = (part: Partial<Filter>) => setFilter({ ...filter, ...part })
  return (
    <>
      <div className="filters">
        <label>
          Kind{' '}
          <select value={filter.kind} onChange={(event) => change({ kind: event.target.value as Filter['kind'] })}>
            <option value="">All</option>
            {Object.entries(KINDS).map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          From <input type="date" value={filter.from} onChange={(event) => change({ from: event.target.value })} />
        </label>
        <label>
          To <input type="date" value={filter.to} onChange={(event) => change({ to: event.target.value })} />
        </label>
        <SaveButton session={session} filter={filter} />
      </div>
      {problem !== undefined && (
        <p className="empty problem" role="alert">
          {problem}
        </p>
      )}
      {entries === undefined && problem === undefined && <p className="empty">Loading your statement …</p>}
      {entries?.length === 0 && <p className="empty">Nothing of this kind and time.</p>}
      {entries !== undefined && entries.length > 0 && (
        <>
          <div className="position columns entry" aria-hidden="true">
            <span>What</span>
            <span>When</span>
            <span>Amount</span>
            <span>Balance</span>
          </div>
          <ul className="list">
            {entries.map((entry) => (
              <Entry key={entry.transaction_id} entry={entry} />
            ))}
            {loadMore !== undefined && (
              <li className="more">
                <button type="button" className="button" onClick={loadMore}>
                  Show more
                </button>
              </li>
            )}
          </ul>
        </>
      )}
    </>
  )
}

function Entry({ entry }: { entry: StatementEntry }) {
  const [{ zone }] = usePreferences()
  const about = [entry.instrument_id, entry.product_id?.replace('_', '/'), entry.reference_id, entry.reason]
  return (
    <li className="position entry" data-kind={entry.kind}>
      <span className="name">
        <b>{KINDS[entry.kind]}</b>
        <small>{about.filter((part) => part !== null && part !== undefined).join(' · ')}</small>
      </span>
      <Value label="When">{formatTime(entry.timestamp, Date.now(), zone)}</Value>
      <span className={`profit ${profitDirection(entry.amount)}`}>
        <span className="caption">Amount</span> {formatProfit(entry.amount)}
      </span>
      <Value label="Balance">{formatMoney(entry.balance)}</Value>
    </li>
  )
}

function SaveButton({ session, filter }: { session: Session; filter: Filter }) {
  const [problem, setProblem] = useState<string>()
  const save = async () => {
    setProblem(undefined)
    try {
      const url = URL.createObjectURL(new Blob([await fetchCsv(session, filter)], { type: 'text/csv' }))
      const link = Object.assign(document.createElement('a'), { href: url, download: 'statement.csv' })
      link.click()
      URL.revokeObjectURL(url)
    } catch (error) {
      setProblem(explain(error))
    }
  }
  return (
    <>
      <button type="button" className="button" onClick={() => void save()}>
        Save as CSV
      </button>
      <span role="alert" className="problem">
        {problem}
      </span>
    </>
  )
}
