import { formatTime } from '../format.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import { describeState, useLogEntries } from './connection_log.js'
import { DelayChart } from './delay_chart.js'

/** The delay of prices over time, and what has become of the connection. */
export function ConnectionPanel() {
  const entries = useLogEntries()
  const [{ zone }] = usePreferences()
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it.
    <div className="events" tabIndex={0}>
      <DelayChart />
      <ol aria-label={texts.inspector.changes}>
        {[...entries].reverse().map(({ number, at, state }) => (
          <li key={number}>
            <p>
              <time>{formatTime(at, Date.now(), zone)}</time> {describeState(state)}
            </p>
          </li>
        ))}
      </ol>
    </div>
  )
}
