import { type FormEvent, useEffect, useRef, useState } from 'react'
import { explainLogin } from '../error_text.js'
import { Field } from '../fields.js'
import { beginSession } from './session.js'

/** The demo account that the server says it has, as `name/password`; empty where it has none. */
const [DEMO_ACCOUNT = '', DEMO_PASSWORD = ''] = (
  document.querySelector<HTMLMetaElement>('meta[name="pricewire-demo"]')?.content ?? ''
).split('/')

/** The dialog to log in with. */
export function Login({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [account, setAccount] = useState(DEMO_ACCOUNT)
  const [password, setPassword] = useState(DEMO_PASSWORD)
  const [isBusy, setBusy] = useState(false)
  const [trouble, setTrouble] = useState<string>()

  // As a modal the browser keeps the focus in it, makes the rest inert, closes it by Escape, and gives the focus back.
  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (isBusy) return
    setBusy(true)
    setTrouble(undefined)
    try {
      await beginSession(account.trim(), password)
      dialog.current?.close()
    } catch (error) {
      setTrouble(explainLogin(error))
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
          {trouble}
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
