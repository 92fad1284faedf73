import { useState } from 'react'
import { texts } from '../texts/language.js'
import { snippetsFor } from './snippets.js'

/** How long it is said that a program was copied, in milliseconds. */
const SAID = 2000

/** Programs that receive the chosen instrument's prices, to be copied. */
export function CodePanel({ instrumentId }: { instrumentId: string }) {
  const [copied, setCopied] = useState<string>()
  const copy = async (name: string, code: string) => {
    await navigator.clipboard.writeText(code)
    setCopied(name)
    setTimeout(() => setCopied(undefined), SAID)
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
              <button type="button" className="button" onClick={() => void copy(name, code)}>
                {copied === name ? texts.inspector.copied : texts.inspector.copyAs(name)}
              </button>
            )}
          </header>
          <pre>{code}</pre>
        </section>
      ))}
    </div>
  )
}
