import { useEffect, useMemo, useState } from 'react'
import { Segments } from '../fields.js'
import { formatCount } from '../format.js'
import { Icon } from '../icons.js'
import { texts } from '../texts/language.js'
import { CodePanel } from './code_panel.js'
import { ConnectionPanel } from './connection_panel.js'
import { describeEvent } from './describe_event.js'
import { Meter } from './meter.js'
import { TopicsTable } from './topics_table.js'
import { type RawEvent, tap } from './wire_tap.js'

/** The number of events that are kept; the oldest are dropped first. */
const MAX_EVENTS = 200

/** The time between two updates of the list, in milliseconds: nobody can read faster. */
const UPDATE_EVERY = 250

/** The length up to which an event is shown in full, in characters: enough for a tick or a candle. */
const MAX_SHOWN = 500

const VIEWS = ['events', 'topics', 'connection', 'code'] as const

interface InspectorProps {
  readonly instrumentId: string
  readonly onClose: () => void
}

/** What developers want to see: the events, the topics, the connection, and programs that receive the same. */
export function Inspector({ instrumentId, onClose }: InspectorProps) {
  const [view, setView] = useState<(typeof VIEWS)[number]>('events')
  return (
    <aside
      className="inspector card"
      aria-label={texts.inspector.title}
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <header>
        <h2>{texts.inspector.title}</h2>
        <button
          type="button"
          className="icon-button only-wide"
          aria-label={texts.inspector.close}
          title={texts.inspector.close}
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </header>
      <Meter />
      <Segments
        label={texts.inspector.choice}
        options={VIEWS.map((name) => [name, texts.inspector.views[name]])}
        value={view}
        onChange={setView}
      />
      {view === 'events' && <Events />}
      {view === 'topics' && <TopicsTable />}
      {view === 'connection' && <ConnectionPanel />}
      {view === 'code' && <CodePanel instrumentId={instrumentId} />}
    </aside>
  )
}

/** The raw events of the page's stream as they arrive, each with its meaning. */
function Events() {
  const [isPaused, setPaused] = useState(false)
  const [query, setQuery] = useState('')
  const [events, setEvents] = useState<readonly RawEvent[]>([])

  useEffect(() => {
    if (isPaused) return
    let arrived: RawEvent[] = []
    const end = tap.listen((event) => {
      arrived.push(event)
      if (arrived.length > MAX_EVENTS) arrived.shift()
    })
    const timer = setInterval(() => {
      if (arrived.length === 0) return
      const fresh = arrived
      arrived = []
      setEvents((events) => [...events, ...fresh].slice(-MAX_EVENTS))
    }, UPDATE_EVERY)
    return () => {
      end()
      clearInterval(timer)
    }
  }, [isPaused])

  const shown = useMemo(() => {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean)
    return events.filter(({ text }) => words.every((word) => text.toLowerCase().includes(word))).reverse()
  }, [events, query])

  return (
    <>
      <p className="hint">{texts.inspector.about}</p>
      <div className="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label={texts.inspector.filter}
          placeholder={texts.inspector.filterExample}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <small>{texts.inspector.shown(formatCount(shown.length), formatCount(events.length))}</small>
        <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? texts.inspector.resume : texts.inspector.pause}
        </button>
        <button type="button" className="button" onClick={() => setEvents([])}>
          {texts.inspector.clear}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it. */}
      <ol className="events" tabIndex={0} aria-label={texts.inspector.events}>
        {shown.map((event) => (
          <li key={event.number}>
            <p>
              <time>{new Date(event.at).toISOString().slice(11, 23)}</time> {describeEvent(event.text)}
            </p>
            <Raw text={event.text} />
          </li>
        ))}
      </ol>
      {events.length === 0 && <p className="empty">{texts.inspector.waiting}</p>}
    </>
  )
}

/** The text of an event. A long one, such as all positions with their ticks, is cut until the user asks for the rest. */
function Raw({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false)
  if (isWhole || text.length <= MAX_SHOWN) return <pre>{text}</pre>
  return (
    <pre>
      {text.slice(0, MAX_SHOWN)}…{' '}
      <button type="button" className="link" onClick={() => setWhole(true)}>
        {texts.inspector.more(text.length - MAX_SHOWN, formatCount(text.length - MAX_SHOWN))}
      </button>
    </pre>
  )
}
