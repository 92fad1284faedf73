import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from 'react'
import type { Instrument } from '../src/pricewire.js'
import { type Connected, type MarketPrice, useMarketSSE } from '../src/react.js'
import { SERVER } from './api.js'
import { changeDirection, formatAge, formatCategories, formatChange, formatOpening } from './format.js'
import { useNow } from './hooks.js'
import { FlashingPrice } from './price.js'

/** The first price of each instrument since the page was opened. */
const firstPrices = new Map<string, number>()

/** Returns what an instrument's first price was; this one, if it is the first. */
export function firstPrice(price: MarketPrice | null): number | undefined {
  if (price === null) return undefined
  if (!firstPrices.has(price.instrument_id)) firstPrices.set(price.instrument_id, price.price)
  return firstPrices.get(price.instrument_id)
}

interface MarketsProps {
  readonly instruments: readonly Instrument[]
  readonly chosen: string | undefined
  readonly onChoose: (id: string) => void
}

/** All instruments with their prices, by category, and a search. */
export function Markets({ instruments, chosen, onChoose }: MarketsProps) {
  const [query, setQuery] = useState('')
  const search = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const groups = useMemo(() => group(instruments.filter(matches(query))), [instruments, query])

  useEffect(() => {
    const focusSearch = (event: globalThis.KeyboardEvent) => {
      const isTyping = event.target instanceof HTMLInputElement
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
    // biome-ignore lint/a11y/noStaticElementInteractions: the arrow keys are a short cut through the buttons, which Tab reaches too.
    <div className="markets" onKeyDown={move}>
      <div className="search">
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="7" cy="7" r="4.5" />
          <path d="m10.5 10.5 3.5 3.5" />
        </svg>
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
        <span>Bid</span>
        <span>Ask</span>
        <span title="since the page was opened">Change</span>
      </div>
      <div className="list" ref={list}>
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
        {groups.length === 0 && (
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

interface RowProps {
  readonly instrument: Instrument
  readonly isChosen: boolean
  readonly onChoose: (id: string) => void
}

const Row = memo(function Row({ instrument, isChosen, onChoose }: RowProps) {
  const { id, display_name, pip_size } = instrument
  const { price, ...connected } = useMarketSSE(id, SERVER)
  const first = firstPrice(price)
  return (
    <button
      type="button"
      className={`row ${connected.isStale ? 'stale' : ''}`}
      aria-current={isChosen}
      data-instrument={id}
      onClick={() => onChoose(id)}
    >
      <span className="name">
        <b>{display_name}</b>
        <Note instrument={instrument} price={price} connected={connected} />
      </span>
      <FlashingPrice value={price?.bid} decimals={pip_size} label="bid" />
      <FlashingPrice value={price?.ask} decimals={pip_size} label="ask" />
      <span className={`change ${changeDirection(first, price?.price)}`}>
        <span className="visually-hidden">change </span>
        {formatChange(first, price?.price)}
      </span>
    </button>
  )
})

interface NoteProps {
  readonly instrument: Instrument
  readonly price: MarketPrice | null
  readonly connected: Connected
}

/** What stands beneath a name: the id or, where the price may be old, how old it is. */
export function Note({ instrument, price, connected }: NoteProps) {
  const isOld = connected.isStale && price !== null
  const now = useNow(isOld)
  if (!instrument.is_market_open) return <small className="warning">closed{formatOpening(instrument.opens_at)}</small>
  if (!isOld) return <small>{instrument.id}</small>
  // Without a connection all prices are old, and the page says so: one that is old by itself is what should catch the eye.
  return <small className={connected.isConnected ? 'warning' : ''}>stale, {formatAge(now - price.epoch_ms)} old</small>
}

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
