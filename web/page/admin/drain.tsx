import { useEffect, useRef, useState } from 'react'
import { explain } from '../error_text.js'
import { request } from '../requests.js'
import { texts } from '../texts/language.js'

interface DrainProps {
  readonly token: string
  readonly streams: number
  readonly onClose: () => void
}

/** Asks once more, then has the server stop. */
export function Drain({ token, streams, onClose }: DrainProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isBusy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()

  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const drain = async () => {
    if (isBusy) return
    setBusy(true)
    setProblem(undefined)
    try {
      await request('/v1/admin/drain', { method: 'POST', token })
      dialog.current?.close()
    } catch (error) {
      setProblem(explain(error))
      setBusy(false)
    }
  }

  return (
    <dialog ref={dialog} className="login settings" aria-labelledby="drain-title" onClose={onClose}>
      <h2 id="drain-title">{texts.admin.stopTitle}</h2>
      <p className="hint">{texts.admin.stopAbout(streams)}</p>
      <p className="problem" role="alert">
        {problem}
      </p>
      <div className="actions">
        <button type="button" className="button" onClick={() => dialog.current?.close()}>
          {texts.admin.keep}
        </button>
        <button type="button" className="button stop" aria-disabled={isBusy} onClick={() => void drain()}>
          {texts.admin.stop}
        </button>
      </div>
    </dialog>
  )
}
