import { type FormEvent, useEffect, useRef, useState } from 'react'
import { explainLogin } from '../error_text.js'
import { Field } from '../fields.js'
import { texts } from '../texts/language.js'
import { Marked } from '../texts/marked.js'
import { DEMO } from './demo_account.js'
import { beginSession } from './session.js'

/** The login dialog. */
export function Login({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [account, setAccount] = useState(DEMO?.id ?? '')
  const [password, setPassword] = useState(DEMO?.password ?? '')
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
        <h2 id="login-title">{texts.login.title}</h2>
        {DEMO !== undefined && (
          <p className="hint">
            <Marked text={texts.login.demo(DEMO.id, DEMO.password)} />
          </p>
        )}
        <Field label={texts.login.account}>
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
        <Field label={texts.login.password}>
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
            {texts.login.cancel}
          </button>
          <button type="submit" className="button primary" aria-disabled={isBusy}>
            {isBusy ? texts.login.busy : texts.login.title}
          </button>
        </div>
      </form>
    </dialog>
  )
}
