import { type KeyboardEvent, memo, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { Instrument } from '../../src/pricewire.js'
import { useMarketSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { changeDirection, formatCategories, formatChange, formatCount } from '../format.js'
import { Icon } from '../icons.js'
import { useDelays } from '../inspector/use_delays.js'
import { type Sorting, usePreferences } from '../preferences.js'
import { texts, useLanguage } from '../texts/language.js'
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

const SORTINGS: readonly Sorting[] = ['category', 'name', 'change']

/** The most recent instruments that are shown. */
const MAX_RECENTS = 4

/** When the list is ordered by the changes for the first time, and how often after that, in milliseconds: nobody can read a list that never rests. */
const FIRST_ORDER_AFTER = 500
const ORDER_EVERY = 5000

/** All instruments with their live prices, by category, with a search. */
export function Markets({ instruments, chosen, onChoose }: MarketsProps) {
  const language = useLanguage()
  const [query, setQuery] = useState('')
  const search = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLDivElement>(null)
  const [{ favourites, recents, sorting }, prefer] = usePreferences()
  const { ranking, report } = useRanking(sorting === 'change')
  // biome-ignore lint/correctness/useExhaustiveDependencies: the language names the groups.
  const groups = useMemo(
    () => group(instruments.filter(matches(query)), favourites, sorting, ranking),
    [instruments, query, favourites, sorting, ranking, language],
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
          placeholder={texts.markets.search}
          aria-label={texts.markets.search}
          aria-keyshortcuts="/"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={({ key }) => {
            if (key === 'Escape') setQuery('')
            if (key === 'Enter' && query !== '') list.current?.querySelector<HTMLButtonElement>('.row')?.click()
          }}
        />
        <kbd>/</kbd>
      </div>
      {known.length > 0 && query === '' && (
        <nav className="recents" aria-label={texts.markets.recents}>
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
          <span className="visually-hidden">{texts.markets.order}</span>
          <select value={sorting} onChange={(event) => prefer({ sorting: event.target.value as Sorting })}>
            {SORTINGS.map((name) => (
              <option key={name} value={name}>
                {texts.markets.sortings[name]}
              </option>
            ))}
          </select>
        </label>
        <span aria-hidden="true" title={texts.markets.columnHint}>
          {texts.markets.column}
        </span>
      </div>
      <div className="list" ref={list}>
        {instruments.some(({ is_predictable }) => is_predictable) && (
          <p className="hint">{texts.markets.predictable}</p>
        )}
        {groups.map(([category, members]) => (
          <section key={category} aria-label={category || texts.markets.label}>
            {category !== '' && (
              <h2>
                {category} <small>{formatCount(members.length)}</small>
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
        {instruments.length === 0 && <p className="empty">{texts.markets.loading}</p>}
        {instruments.length > 0 && groups.length === 0 && (
          <p className="empty">
            {texts.markets.noMatch(query)}{' '}
            <button type="button" className="link" onClick={() => setQuery('')}>
              {texts.markets.showAll}
            </button>
          </p>
        )}
      </div>
    </div>
  )
}

/**
 * Returns the time between two updates of a row that is not visible, in milliseconds: a screen reader or the browser's search may still read it.
 * Rows have different times, so that hundreds of them do not change at once; multiples of one step, so that they do not change one by one.
 */
const hiddenThrottle = () => 3000 + 200 * Math.floor(10 * Math.random())

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
  useLanguage()
  const element = useRef<HTMLButtonElement>(null)
  const isInView = useInView(element)
  const [whileHidden] = useState(hiddenThrottle)
  const throttle = isInView ? undefined : whileHidden
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
          <b title={display_name}>{display_name}</b>
          <InstrumentStatus instrument={instrument} price={price} connected={connected} />
        </span>
        <Sparkline prices={day?.closes ?? []} direction={direction} />
        {/* Made anew once the figures are known, as in the quote. */}
        <span key={`${price === null} ${day === undefined}`} className="figures">
          <FlashingPrice
            value={price?.price}
            decimals={pip_size}
            label={texts.markets.price}
            name="price"
            isQuiet={!isInView}
          />
          <span className={`change ${direction}`}>
            <span className="visually-hidden">{texts.markets.change} </span>
            {formatChange(day?.open, price?.price)}
          </span>
        </span>
      </button>
      <button
        type="button"
        className="star"
        aria-pressed={isFavourite}
        aria-label={texts.markets.favourite(display_name)}
        title={isFavourite ? texts.markets.unfavour : texts.markets.favour}
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
    sorted.sort((one, other) => one.display_name.localeCompare(other.display_name, texts.locale, { numeric: true }))
  if (sorting === 'change') sorted.sort((one, other) => (ranking.get(other.id) ?? 0) - (ranking.get(one.id) ?? 0))
  const groups = new Map<string, Instrument[]>()
  for (const instrument of sorted) {
    const isFavourite = favourites.includes(instrument.id)
    const category = isFavourite
      ? texts.markets.favourites
      : sorting === 'category'
        ? formatCategories(instrument.categories)
        : ''
    const members = groups.get(category)
    if (members === undefined) groups.set(category, [instrument])
    else members.push(instrument)
  }
  const isFirst = (name: string) => Number(name === texts.markets.favourites)
  return [...groups].sort(([one], [other]) => isFirst(other) - isFirst(one))
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
