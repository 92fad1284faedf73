import { useEffect, useRef, useState } from 'react'
import { Icon } from './icons.js'
import { texts } from './texts/language.js'

/** How long it is said that the link was copied, in milliseconds. */
const SAID = 2500

/** Copies a link to what the page shows; where the browser does not let it, shows the link. */
export function ShareButton({ link }: { link: () => string }) {
  const [isCopied, setCopied] = useState(false)
  const [shown, setShown] = useState<string>()
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), SAID)
    return () => clearTimeout(timer)
  }, [isCopied])
  const share = async () => {
    try {
      // Browsers offer the clipboard only over HTTPS and on this machine, and may ask the user.
      await navigator.clipboard.writeText(link())
      setCopied(true)
    } catch {
      setShown(link())
    }
  }
  return (
    <>
      <button
        type="button"
        className="icon-button"
        aria-label={texts.share.share}
        title={texts.share.share}
        onClick={() => void share()}
      >
        <Icon name="share" />
      </button>
      <span role="status" className="copied">
        {isCopied && texts.share.copied}
      </span>
      {shown !== undefined && <LinkDialog link={shown} onClose={() => setShown(undefined)} />}
    </>
  )
}

function LinkDialog({ link, onClose }: { link: string; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
    field.current?.select()
  }, [])
  return (
    <dialog ref={dialog} className="login settings" aria-labelledby="share-title" onClose={onClose}>
      <h2 id="share-title">{texts.share.title}</h2>
      <input ref={field} className="link-field" readOnly value={link} aria-label={texts.share.title} />
      <div className="actions">
        <button type="button" className="button primary" onClick={() => dialog.current?.close()}>
          {texts.settings.done}
        </button>
      </div>
    </dialog>
  )
}
