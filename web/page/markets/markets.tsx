import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { useMarketSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { changeDirection, formatCategories, formatChange } from '../format.js'
import { Icon } from '../icons.js'
import { useDelays } from '../inspector/use_delays.js'
import { firstPrice } from './first_price.js'
import { FlashingPrice } from './flashing_price.js'
import { useInView } from './in_view.js'
import { InstrumentStatus } from './instrument_status.js'

interface MarketsProps {
  readonly instruments: readonly Instrument[]
  readonly chosen: string | undefined
  readonly onChoose: (id: string) => void
}

/** All instruments with their live prices, by category, with a search. */
export function Markets({ instruments, chosen, onChoose }: MarketsProps) {
  const [query, setQuery] = useState('')
  const search = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const groups = useMemo(() => group(instruments.filter(matches(query))), [instruments, query])

  useEffect(() => {
    const focusSearch = (event: globalThis.KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      search.current?.focus()
    }
    addEventListener('keydown', focusSearch)
    return () => removeEventListener('keydown', focusSearch)
  }, [])

  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    const rows = [...(list.current?.querySelectorAll('button') ?? [])]
    const at = rows.indexOf(document.activeElement as HTMLButtonElement)
    const next = rows[at + step]
    if (next !== undefined) next.focus()
    else if (step === -1) search.current?.focus()
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the arrow keys are a shortcut; Tab reaches the buttons too.
    <div className="markets card" onKeyDown={move}>
      <div className="search">
        <Icon name="search" />
        <input
          ref={search}
          type="search"
          placeholder="Search instruments"
          aria-label="Search instruments"
          aria-keyshortcuts="/"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => event.key === 'Escape' && setQuery('')}
        />
        <kbd>/</kbd>
      </div>
      <div className="columns" aria-hidden="true">
        <span>Instrument</span>
        <span title="the change since the page was opened">Price, change</span>
      </div>
      <div className="list" ref={list}>
        {instruments.some(({ is_predictable }) => is_predictable) && (
          <p className="hint">Simulated from a seed: prices can be foreseen.</p>
        )}
        {groups.map(([category, members]) => (
          <section key={category} aria-label={category}>
            <h2>
              {category} <small>{members.length}</small>
            </h2>
            {members.map((instrument) => (
              <Row
                key={instrument.id}
                instrument={instrument}
                isChosen={instrument.id === chosen}
                onChoose={onChoose}
              />
            ))}
          </section>
        ))}
        {instruments.length === 0 && <p className="empty">Loading the instruments …</p>}
        {instruments.length > 0 && groups.length === 0 && (
          <p className="empty">
            No instrument matches “{query}”.{' '}
            <button type="button" className="link" onClick={() => setQuery('')}>
              Show all
            </button>
          </p>
        )}
      </div>
    </div>
  )
}

/** The time between two updates of a row that is not visible, in milliseconds: a screen reader or the browser's search may still read it. */
const HIDDEN_THROTTLE = 1000

interface RowProps {
  readonly instrument: Instrument
  readonly isChosen: boolean
  readonly onChoose: (id: string) => void
}

const Row = memo(function Row({ instrument, isChosen, onChoose }: RowProps) {
  const { id, display_name, pip_size } = instrument
  const element = useRef<HTMLButtonElement>(null)
  const isInView = useInView(element)
  const throttle = isInView ? undefined : HIDDEN_THROTTLE
  const { price, ...connected } = useMarketSSE(id, { ...useServer(), throttle })
  const first = firstPrice(price)
  useDelays(id)
  return (
    <button
      ref={element}
      type="button"
      className={`row ${connected.isStale ? 'stale' : ''}`}
      aria-current={isChosen}
      data-instrument={id}
      data-in-view={isInView}
      onClick={() => onChoose(id)}
    >
      <span className="name">
        <b>{display_name}</b>
        <InstrumentStatus instrument={instrument} price={price} connected={connected} />
      </span>
      <span className="figures">
        <FlashingPrice value={price?.price} decimals={pip_size} label="price" />
        <span className={`change ${changeDirection(first, price?.price)}`}>
          <span className="visually-hidden">change </span>
          {formatChange(first, price?.price)}
        </span>
      </span>
    </button>
  )
})

function matches(query: string): (instrument: Instrument) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  return ({ id, display_name, categories }) => {
    const text = [id, display_name, ...categories].join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  }
}

function group(instruments: readonly Instrument[]): [string, Instrument[]][] {
  const groups = new Map<string, Instrument[]>()
  for (const instrument of instruments) {
    const category = formatCategories(instrument.categories)
    const members = groups.get(category)
    if (members === undefined) groups.set(category, [instrument])
    else members.push(instrument)
  }
  return [...groups]
}
