import { useEffect, useRef, useState } from 'react'
import { Segments } from './fields.js'
import { usePreferences } from './preferences.js'
import type { ThemeChoice } from './theme.js'

interface SettingsProps {
  readonly theme: ThemeChoice
  readonly onTheme: (theme: ThemeChoice) => void
  readonly onClose: () => void
}

/** The dialog with what the user can choose for this browser. */
export function Settings({ theme, onTheme, onClose }: SettingsProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [{ sound, notifications, zone }, change] = usePreferences()
  const [isRefused, setRefused] = useState(false)

  useEffect(() => {
    dialog.current?.showModal()
  }, [])

  const notify = async (wanted: boolean) => {
    const permission = wanted ? await Notification.requestPermission() : 'default'
    setRefused(permission === 'denied')
    change({ notifications: permission === 'granted' })
  }

  return (
    <dialog ref={dialog} className="login settings" aria-labelledby="settings-title" onClose={onClose}>
      <h2 id="settings-title">Settings</h2>
      <div className="setting">
        <span>Theme</span>
        <Segments
          label="Theme"
          options={[
            ['system', 'System'],
            ['light', 'Light'],
            ['dark', 'Dark'],
          ]}
          value={theme}
          onChange={onTheme}
        />
      </div>
      <div className="setting">
        <span>Times</span>
        <Segments
          label="Times"
          options={[
            ['utc', 'UTC'],
            ['local', 'Local'],
          ]}
          value={zone}
          onChange={(zone) => change({ zone })}
        />
      </div>
      <label className="check">
        <input type="checkbox" checked={sound} onChange={(event) => change({ sound: event.target.checked })} />
        Play a sound when a contract closes
      </label>
      {'Notification' in window && (
        <label className="check">
          <input type="checkbox" checked={notifications} onChange={(event) => void notify(event.target.checked)} />
          Show a notification when a contract closes and this page is hidden
        </label>
      )}
      <p className="problem" role="alert">
        {isRefused && 'This browser does not allow notifications for this page. Allow them in its settings first.'}
      </p>
      <div className="actions">
        <button type="button" className="button primary" onClick={() => dialog.current?.close()}>
          Done
        </button>
      </div>
    </dialog>
  )
}
