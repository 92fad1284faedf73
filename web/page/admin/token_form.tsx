import { type FormEvent, useState } from 'react'
import { Field } from '../fields.js'
import { Icon } from '../icons.js'
import { texts } from '../texts/language.js'
import { Marked } from '../texts/marked.js'

interface TokenFormProps {
  /** Why the last token was not accepted. */
  readonly problem: string | undefined
  readonly onToken: (token: string) => void
}

/** Asks for the token of an operator. */
export function TokenForm({ problem, onToken }: TokenFormProps) {
  const [text, setText] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    // As pasted from a terminal or a header.
    const token = text.trim().replace(/^Bearer\s+/i, '')
    if (token !== '') onToken(token)
  }
  return (
    <main className="enter">
      <form className="card" onSubmit={submit}>
        <h1>
          <Icon name="brand" /> {texts.admin.title}
        </h1>
        <p className="hint">
          <Marked text={texts.admin.about} />
        </p>
        <pre>{texts.admin.command}</pre>
        <Field label={texts.admin.token} problem={problem} hint={texts.admin.tokenHint}>
          {(ids) => (
            <input
              {...ids}
              type="password"
              autoComplete="off"
              required
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <button type="submit" className="button primary">
          {texts.admin.show}
        </button>
        <p role="alert" className="visually-hidden">
          {problem}
        </p>
      </form>
    </main>
  )
}
