import { useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import type { StatementEntry } from '../../src/schema.js'
import { serverTime } from '../clock.js'
import { explain } from '../error_text.js'
import { formatMoney, formatProfit, formatTime, profitDirection } from '../format.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import { lookUp } from '../texts/look_up.js'
import { Value } from './contract_cells.js'
import { ContractDrawer } from './contract_drawer.js'
import type { Session } from './session.js'
import { FIRST_YEAR, type Filter, LAST_YEAR } from './statement_query.js'
import { fetchCsv, useStatement } from './use_statement.js'

interface StatementProps {
  readonly session: Session
  /** What changes when there may be new entries. */
  readonly version: string
  /** The contracts that the page has anyway. */
  readonly known: readonly Contract[]
}

const DATES = { min: `${FIRST_YEAR}-01-01`, max: `${LAST_YEAR}-12-31` }

/** Every movement of the account's money, newest first, by kind and time, and as a file. */
export function Statement({ session, version, known }: StatementProps) {
  const [opened, setOpened] = useState<string>()
  const [{ zone }] = usePreferences()
  const [filter, setFilter] = useState<Filter>({ kind: '', from: '', to: '' })
  const { entries, loadMore, problem } = useStatement(session, filter, version)
  const change = (part: Partial<Filter>) => setFilter({ ...filter, ...part })
  return (
    <>
      <div className="filters">
        <label>
          {texts.statement.kind}{' '}
          <select value={filter.kind} onChange={(event) => change({ kind: event.target.value as Filter['kind'] })}>
            <option value="">{texts.statement.all}</option>
            {Object.entries(texts.statement.kinds).map(([kind, name]) => (
              <option key={kind} value={kind}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {texts.statement.from}{' '}
          <input
            type="date"
            {...DATES}
            value={filter.from}
            onChange={(event) => change({ from: event.target.value })}
          />
        </label>
        <label>
          {texts.statement.to}{' '}
          <input type="date" {...DATES} value={filter.to} onChange={(event) => change({ to: event.target.value })} />
        </label>
        <SaveButton session={session} filter={filter} />
      </div>
      {problem !== undefined && (
        <p className="empty problem" role="alert">
          {problem}
        </p>
      )}
      {entries === undefined && problem === undefined && <p className="empty">{texts.statement.loading}</p>}
      {entries?.length === 0 && <p className="empty">{texts.statement.none}</p>}
      {entries !== undefined && entries.length > 0 && (
        <>
          <div className="position columns entry" aria-hidden="true">
            <span>{texts.statement.what}</span>
            <span>{zone === 'utc' ? texts.statement.whenUtc : texts.statement.when}</span>
            <span>{texts.statement.amount}</span>
            <span>{texts.statement.balance}</span>
          </div>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it. */}
          <ul className="list" tabIndex={0}>
            {entries.map((entry) => (
              <Entry key={entry.transaction_id} entry={entry} onOpen={setOpened} />
            ))}
            {loadMore !== undefined && (
              <li className="more">
                <button type="button" className="button" onClick={loadMore}>
                  {texts.statement.more}
                </button>
              </li>
            )}
          </ul>
        </>
      )}
      {opened !== undefined && (
        <ContractDrawer
          key={opened}
          session={session}
          contractId={opened}
          known={known}
          onClose={() => setOpened(undefined)}
        />
      )}
    </>
  )
}

function Entry({ entry, onOpen }: { entry: StatementEntry; onOpen: (contractId: string) => void }) {
  const [{ zone }] = usePreferences()
  const { contract_id, product_id, reason } = entry
  const about = [
    entry.instrument_id,
    product_id && texts.ticket.products[product_id],
    entry.reference_id,
    lookUp(texts.statement.reasons, reason ?? undefined) ?? reason,
  ]
  const name = (
    <>
      <b>{texts.statement.kinds[entry.kind]}</b>
      <small>{about.filter((part) => part !== null && part !== undefined).join(' · ')}</small>
    </>
  )
  return (
    <li className="position entry" data-kind={entry.kind}>
      {contract_id === null ? (
        <span className="name">{name}</span>
      ) : (
        <button type="button" className="name" title={texts.drawer.open} onClick={() => onOpen(contract_id)}>
          {name}
        </button>
      )}
      <Value label={texts.statement.when}>{formatTime(entry.timestamp, serverTime(Date.now()), zone)}</Value>
      <span className={`profit ${profitDirection(entry.amount)}`}>
        <span className="caption">{texts.statement.amount}</span> {formatProfit(entry.amount)}
      </span>
      <Value label={texts.statement.balance}>{formatMoney(entry.balance)}</Value>
    </li>
  )
}

function SaveButton({ session, filter }: { session: Session; filter: Filter }) {
  const [{ zone }] = usePreferences()
  const [problem, setProblem] = useState<string>()
  const save = async () => {
    setProblem(undefined)
    try {
      const url = URL.createObjectURL(new Blob([await fetchCsv(session, filter, zone)], { type: 'text/csv' }))
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
        {texts.statement.save}
      </button>
      <span role="alert" className="problem">
        {problem}
      </span>
    </>
  )
}
