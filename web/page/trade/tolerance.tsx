import { formatPercent } from '../format.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'

/** By how much the payout may fall, as a part of it. */
const TOLERANCES = [0, 0.01, 0.05, 0.1]

/** The choice how much lower a payout the buyer accepts than the one on the button. */
export function Tolerance() {
  const [{ tolerance }, change] = usePreferences()
  return (
    <label className="tolerance">
      <span>{texts.ticket.tolerance}</span>
      <select value={tolerance} onChange={(event) => change({ tolerance: Number(event.target.value) })}>
        {TOLERANCES.map((each) => (
          <option key={each} value={each}>
            {each === 0 ? texts.ticket.noLess : texts.ticket.less(formatPercent(100 * each, 0))}
          </option>
        ))}
      </select>
    </label>
  )
}
