import { useEffect, useMemo, useState } from 'react'
import { Icon } from '../icons.js'
import { describeEvent } from './describe_event.js'
import { Meter } from './meter.js'
import { type RawEvent, tap } from './wire_tap.js'

/** So many events are kept; the oldest go first. */
const MOST = 200

/** How often the list is brought up to date at most, in milliseconds: more often nobody could read it. */
const PACE = 250

/** So much of an event is shown at first, in characters: all of a tick or a candle. */
const SHORT = 500

/** The raw events of the stream as they arrive, with what each means. */
export function Explain({ onClose }: { onClose: () => void }) {
  const [isPaused, setPaused] = useState(false)
  const [query, setQuery] = useState('')
  const [events, setEvents] = useState<readonly RawEvent[]>([])

  useEffect(() => {
    if (isPaused) return
    let arrived: RawEvent[] = []
    const end = tap.listen((event) => {
      arrived.push(event)
      if (arrived.length > MOST) arrived.shift()
    })
    const timer = setInterval(() => {
      if (arrived.length === 0) return
      const fresh = arrived
      arrived = []
      setEvents((events) => [...events, ...fresh].slice(-MOST))
    }, PACE)
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
    <aside
      className="explain card"
      aria-label="Events on the wire"
      onKeyDown={(event) => event.key === 'Escape' && onClose()}
    >
      <header>
        <h2>On the wire</h2>
        <button type="button" className="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? 'Go on' : 'Pause'}
        </button>
        <button type="button" className="button" onClick={() => setEvents([])}>
          Clear
        </button>
        <button type="button" className="icon-button only-wide" aria-label="Close" title="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <p className="hint">
        Everything on this page comes as Server-Sent Events over one connection. These are its events as they arrive,
        the newest first.
      </p>
      <Meter />
      <div className="search">
        <Icon name="search" />
        <input
          type="search"
          aria-label="Filter the events"
          placeholder="Filter: R_100, balance"
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
        <small>
          {shown.length} of the last {events.length}
        </small>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached from the keyboard. */}
      <ol className="events" tabIndex={0} aria-label="Events">
        {shown.map((event) => (
          <li key={event.number}>
            <p>
              <time>{new Date(event.at).toISOString().slice(11, 23)}</time> {describeEvent(event.text)}
            </p>
            <Raw text={event.text} />
          </li>
        ))}
      </ol>
      {events.length === 0 && <p className="empty">Waiting for the next event …</p>}
    </aside>
  )
}

/** An event as it came; a long one, such as all positions with their ticks, only as far as it helps until it is wanted whole. */
function Raw({ text }: { text: string }) {
  const [isWhole, setWhole] = useState(false)
  if (isWhole || text.length <= SHORT) return <pre>{text}</pre>
  return (
    <pre>
      {text.slice(0, SHORT)}…{' '}
      <button type="button" className="link" onClick={() => setWhole(true)}>
        {(text.length - SHORT).toLocaleString('en')} more characters
      </button>
    </pre>
  )
}
