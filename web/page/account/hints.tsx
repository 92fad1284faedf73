import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import { Marked } from '../texts/marked.js'

/** Three hints for somebody who has never traded here, until they are dismissed. */
export function Hints() {
  const [{ hasSeenHints }, change] = usePreferences()
  if (hasSeenHints) return null
  return (
    <section className="hints" aria-label={texts.hints.label}>
      <ol>
        {texts.hints.steps.map((step) => (
          <li key={step}>
            <Marked text={step} />
          </li>
        ))}
      </ol>
      <button type="button" className="button" onClick={() => change({ hasSeenHints: true })}>
        {texts.hints.done}
      </button>
    </section>
  )
}
