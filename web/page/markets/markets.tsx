import { type KeyboardEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { useMarketSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { changeDirection, formatCategories, formatChange } from '../format.js'
import { Icon } from '../icons.js'
import { useDelays } from '../inspector/use_delays.js'
import { type Sorting, usePreferences } from '../preferences.js'
import { useDay } from './day.js'
import { FlashingPrice } from './flashing_price.js'
import { useInView } from './in_view.js'
import { InstrumentStatus } from './instrument_status.js'
import { Sparkline } from './sparkline.js'

interface MarketsProps {
  readonly instruments: readonly Instrument[]
  readonly chosen: string | undefined
  readonly onChoose: (id: string) => void
}

const FAVOURITES = 'Favourites'

/** The most recent instruments that are shown. */
const MAX_RECENTS = 4

/** When the list is ordered by the changes for the first time, and how often after that, in milliseconds: nobody can read a list that never rests. */
const FIRST_ORDER_AFTER = 500
const ORDER_EVERY = 5000

/** All instruments with their live prices, by category, with a search. */
export function Markets({ instruments, chosen, onChoose }: MarketsProps) {
  const [query, setQuery] = useState('')
  const search = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [{ favourites, recents, sorting }, prefer] = usePreferences()
  const { ranking, report } = useRanking(sorting === 'change')
  const groups = useMemo(
    () => group(instruments.filter(matches(query)), favourites, sorting, ranking),
    [instruments, query, favourites, sorting, ranking],
  )
  const toggle = useCallback(
    (id: string) =>
      prefer({
        favourites: favourites.includes(id) ? favourites.filter((each) => each !== id) : [...favourites, id],
      }),
    [favourites, prefer],
  )
  const known = recents
    .map((id) => instruments.find((instrument) => instrument.id === id))
    .filter((instrument) => instrument !== undefined && instrument.id !== chosen)

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
    const rows = [...(list.current?.querySelectorAll<HTMLButtonElement>('.row') ?? [])]
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
      {known.length > 0 && query === '' && (
        <nav className="recents" aria-label="Recent instruments">
          {known.slice(0, MAX_RECENTS).map((instrument) => (
            <button
              key={instrument?.id}
              type="button"
              title={instrument?.display_name}
              onClick={() => instrument && onChoose(instrument.id)}
            >
              {instrument?.id}
            </button>
          ))}
        </nav>
      )}
      <div className="columns">
        <label>
          <span className="visually-hidden">Order of the instruments</span>
          <select value={sorting} onChange={(event) => prefer({ sorting: event.target.value as Sorting })}>
            <option value="category">By category</option>
            <option value="name">By name</option>
            <option value="change">By change</option>
          </select>
        </label>
        <span aria-hidden="true" title="the change since the day's open, in UTC">
          Price, change today
        </span>
      </div>
      <div className="list" ref={list}>
        {instruments.some(({ is_predictable }) => is_predictable) && (
          <p className="hint">Simulated from a seed: prices can be foreseen.</p>
        )}
        {groups.map(([category, members]) => (
          <section key={category} aria-label={category || 'Instruments'}>
            {category !== '' && (
              <h2>
                {category} <small>{members.length}</small>
              </h2>
            )}
            {members.map((instrument) => (
              <Row
                key={instrument.id}
                instrument={instrument}
                isChosen={instrument.id === chosen}
                isFavourite={favourites.includes(instrument.id)}
                isRanked={sorting === 'change'}
                onChoose={onChoose}
                onFavour={toggle}
                onChange={report}
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
  readonly isFavourite: boolean
  /** Whether the list is ordered by the changes, so that every row needs its own, in view or not. */
  readonly isRanked: boolean
  readonly onChoose: (id: string) => void
  readonly onFavour: (id: string) => void
  readonly onChange: (id: string, change: number) => void
}

const Row = memo(function Row({ instrument, isChosen, isFavourite, isRanked, onChoose, onFavour, onChange }: RowProps) {
  const { id, display_name, pip_size } = instrument
  const element = useRef<HTMLButtonElement>(null)
  const isInView = useInView(element)
  const throttle = isInView ? undefined : HIDDEN_THROTTLE
  const { price, ...connected } = useMarketSSE(id, { ...useServer(), throttle })
  const day = useDay(id, isInView || isRanked, price?.price)
  const direction = changeDirection(day?.open, price?.price)
  useDelays(id)
  useEffect(() => {
    if (isRanked && day !== undefined && price !== null) onChange(id, price.price / day.open)
  }, [isRanked, id, day, price, onChange])
  return (
    <div className="row-place">
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
        <Sparkline prices={day?.closes ?? []} direction={direction} />
        <span className="figures">
          <FlashingPrice value={price?.price} decimals={pip_size} label="price" />
          <span className={`change ${direction}`}>
            <span className="visually-hidden">change today </span>
            {formatChange(day?.open, price?.price)}
          </span>
        </span>
      </button>
      <button
        type="button"
        className="star"
        aria-pressed={isFavourite}
        aria-label={`Favourite: ${display_name}`}
        title={isFavourite ? 'Remove from the favourites' : 'Add to the favourites'}
        onClick={() => onFavour(id)}
      >
        <Icon name="star" />
      </button>
    </div>
  )
})

function matches(query: string): (instrument: Instrument) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  return ({ id, display_name, categories }) => {
    const text = [id, display_name, ...categories].join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  }
}

function group(
  instruments: readonly Instrument[],
  favourites: readonly string[],
  sorting: Sorting,
  ranking: ReadonlyMap<string, number>,
): [string, Instrument[]][] {
  const sorted = [...instruments]
  if (sorting === 'name')
    sorted.sort((one, other) => one.display_name.localeCompare(other.display_name, 'en', { numeric: true }))
  if (sorting === 'change') sorted.sort((one, other) => (ranking.get(other.id) ?? 0) - (ranking.get(one.id) ?? 0))
  const groups = new Map<string, Instrument[]>()
  for (const instrument of sorted) {
    const isFavourite = favourites.includes(instrument.id)
    const category = isFavourite ? FAVOURITES : sorting === 'category' ? formatCategories(instrument.categories) : ''
    const members = groups.get(category)
    if (members === undefined) groups.set(category, [instrument])
    else members.push(instrument)
  }
  return [...groups].sort(([one], [other]) => Number(other === FAVOURITES) - Number(one === FAVOURITES))
}

/** Returns the changes of the day by which instruments are ordered, and the function that reports one. The order is a new one every few seconds. */
function useRanking(isWanted: boolean): {
  ranking: ReadonlyMap<string, number>
  report: (id: string, change: number) => void
} {
  const [ranking, setRanking] = useState<ReadonlyMap<string, number>>(new Map())
  const changes = useRef(new Map<string, number>())
  const report = useCallback((id: string, change: number) => void changes.current.set(id, change), [])
  useEffect(() => {
    if (!isWanted) return
    const order = () => setRanking(new Map(changes.current))
    const first = setTimeout(order, FIRST_ORDER_AFTER)
    const timer = setInterval(order, ORDER_EVERY)
    return () => {
      clearTimeout(first)
      clearInterval(timer)
    }
  }, [isWanted])
  return { ranking, report }
}
