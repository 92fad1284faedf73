import { formatTime } from '../format.js'
import { usePreferences } from '../preferences.js'
import { useLogEntries } from './connection_log.js'
import { DelayChart } from './delay_chart.js'

/** The delay of prices over time, and what has become of the connection. */
export function ConnectionPanel() {
  const entries = useLogEntries()
  const [{ zone }] = usePreferences()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it.
    <div className="events" tabIndex={0}>
      <DelayChart />
      <ol aria-label="Changes of the connection">
        {[...entries].reverse().map(({ number, at, text }) => (
          <li key={number}>
            <p>
              <time>{formatTime(at, Date.now(), zone)}</time> {text}
            </p>
          </li>
        ))}
      </ol>
    </div>
  )
}
