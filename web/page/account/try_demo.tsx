import { useState } from 'react'
import { explainLogin } from '../error_text.js'
import { texts } from '../texts/language.js'
import { DEMO } from './demo_account.js'
import { beginSession } from './session.js'

/** The button that logs in to the demo account, where the server has one: nobody has to type anything to try. */
export function TryDemo() {
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  if (DEMO === undefined) return null
  const { id, password } = DEMO
  const press = async () => {
    if (isBusy) return
    setBusy(true)
    setProblem(undefined)
    try {
      await beginSession(id, password)
    } catch (error) {
      setProblem(explainLogin(error))
      setBusy(false)
    }
  }
  return (
    <div className="try">
      <button type="button" className="button primary" aria-disabled={isBusy} onClick={press}>
        {isBusy ? texts.login.busy : texts.login.tryDemo}
      </button>
      <p role="alert" className="problem">
        {problem}
      </p>
    </div>
  )
}
