import { type FormEvent, useState } from 'react'
import { Field } from '../fields.js'
import { Icon } from '../icons.js'

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
          <Icon name="brand" /> Pricewire for operators
        </h1>
        <p className="hint">
          This page shows how the server is doing, and can stop it. It needs a token with the scope <b>admin</b>, which
          this command prints on the server, for an account that you have:
        </p>
        <pre>pricewire token NAME --scope admin</pre>
        <Field label="Token" problem={problem} hint="Kept in this tab until you close it.">
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
          Show the server
        </button>
        <p role="alert" className="visually-hidden">
          {problem}
        </p>
      </form>
    </main>
  )
}
