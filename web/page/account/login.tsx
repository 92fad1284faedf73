import { type FormEvent, useEffect, useRef, useState } from 'react'
import { explainLogin } from '../error_text.js'
import { Field } from '../fields.js'
import { beginSession } from './session.js'

/** The server's demo account. The server fills it into the page as `name/password`; empty if it has none. */
const [DEMO_ACCOUNT = '', DEMO_PASSWORD = ''] = (
  document.querySelector<HTMLMetaElement>('meta[name="pricewire-demo"]')?.content ?? ''
).split('/')

/** The login dialog. */
export function Login({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [account, setAccount] = useState(DEMO_ACCOUNT)
  const [password, setPassword] = useState(DEMO_PASSWORD)
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  // For a modal dialog the browser itself keeps the focus inside, makes the rest inert, closes on Escape, and gives the focus back.
  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (isBusy) return
    setBusy(true)
    setProblem(undefined)
    try {
      await beginSession(account.trim(), password)
      dialog.current?.close()
    } catch (error) {
      setProblem(explainLogin(error))
      setBusy(false)
    }
  }

  return (
    <dialog ref={dialog} className="login" aria-labelledby="login-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="login-title">Log in</h2>
        {DEMO_ACCOUNT !== '' && (
          <p className="hint">
            This server has a demo account with play money: <b>{DEMO_ACCOUNT}</b>, password <b>{DEMO_PASSWORD}</b>.
          </p>
        )}
        <Field label="Account">
          {(ids) => (
            <input
              {...ids}
              name="account"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              required
              value={account}
              onChange={(event) => setAccount(event.target.value)}
            />
          )}
        </Field>
        <Field label="Password">
          {(ids) => (
            <input
              {...ids}
              name="password"
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <p className="problem" role="alert">
          {problem}
        </p>
        <div className="actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" className="button primary" aria-disabled={isBusy}>
            {isBusy ? 'Logging in …' : 'Log in'}
          </button>
        </div>
      </form>
    </dialog>
  )
}
