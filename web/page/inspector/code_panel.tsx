import { useEffect, useState } from 'react'
import { texts } from '../texts/language.js'
import { snippetsFor } from './snippets.js'

/** How long it is said what has become of a program, in milliseconds. */
const SAID = 2000

/** Programs that receive the chosen instrument's prices, to be copied; where the browser does not let it, one is selected. */
export function CodePanel({ instrumentId }: { instrumentId: string }) {
  const [said, setSaid] = useState<{ name: string; text: string }>()
  useEffect(() => {
    if (said === undefined) return
    const timer = setTimeout(() => setSaid(undefined), SAID)
    return () => clearTimeout(timer)
  }, [said])
  const copy = async (name: string, code: string, place: HTMLElement) => {
    try {
      await navigator.clipboard.writeText(code)
      setSaid({ name, text: texts.inspector.copied })
    } catch {
      // The browser, or its user, does not allow it.
      const program = place.closest('.snippet')?.querySelector('pre')
      if (program != null) getSelection()?.selectAllChildren(program)
      setSaid({ name, text: texts.inspector.selected })
    }
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it.
    <div className="events" tabIndex={0}>
      {snippetsFor(location.origin, instrumentId).map(({ name, code }) => (
        <section key={name} className="snippet" aria-label={name}>
          <header>
            <h3>{name}</h3>
            {/* Browsers offer the clipboard only over HTTPS and on this machine. */}
            {navigator.clipboard !== undefined && (
              <button
                type="button"
                className="button"
                onClick={({ currentTarget }) => void copy(name, code, currentTarget)}
              >
                {said?.name === name ? said.text : texts.inspector.copyAs(name)}
              </button>
            )}
          </header>
          <pre>{code}</pre>
        </section>
      ))}
    </div>
  )
}
