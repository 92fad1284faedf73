import { usePreferences } from '../preferences.js'

const HINTS = [
  ['Choose', 'a market on the left, and what you expect of its price: Rise or Fall.'],
  ['Set', 'the stake and the duration, and press the green or the red button to buy.'],
  ['Watch', 'the contract here. It pays when it ends, or sell it before.'],
] as const

/** Three hints for somebody who has never traded here, until they are dismissed. */
export function Hints() {
  const [{ hasSeenHints }, change] = usePreferences()
  if (hasSeenHints) return null
  return (
    <section className="hints" aria-label="How to begin">
      <ol>
        {HINTS.map(([verb, text]) => (
          <li key={verb}>
            <b>{verb}</b> {text}
          </li>
        ))}
      </ol>
      <button type="button" className="button" onClick={() => change({ hasSeenHints: true })}>
        Got it
      </button>
    </section>
  )
}
