import { useEffect, useRef, useState } from 'react'
import { Segments } from './fields.js'
import { type Density, type LanguageChoice, usePreferences, type Zone } from './preferences.js'
import { LANGUAGES, texts } from './texts/language.js'
import type { ThemeChoice } from './theme.js'

const THEMES: readonly ThemeChoice[] = ['system', 'light', 'dark']

const DENSITIES: readonly Density[] = ['comfortable', 'compact']

const ZONES: readonly Zone[] = ['utc', 'local']

interface SettingsProps {
  readonly theme: ThemeChoice
  readonly onTheme: (theme: ThemeChoice) => void
  readonly onClose: () => void
}

/** The dialog with what the user can choose for this browser. */
export function Settings({ theme, onTheme, onClose }: SettingsProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [{ sound, notifications, zone, language, density }, change] = usePreferences()
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
      <h2 id="settings-title">{texts.settings.title}</h2>
      <div className="setting">
        <span>{texts.settings.theme}</span>
        <Segments
          label={texts.settings.theme}
          options={THEMES.map((name) => [name, texts.settings.themes[name]])}
          value={theme}
          onChange={onTheme}
        />
      </div>
      <label className="setting">
        <span>{texts.settings.language}</span>
        <select value={language} onChange={(event) => change({ language: event.target.value as LanguageChoice })}>
          <option value="system">{texts.settings.automatic}</option>
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <div className="setting">
        <span>{texts.settings.times}</span>
        <Segments
          label={texts.settings.times}
          options={ZONES.map((name) => [name, texts.settings.zones[name]])}
          value={zone}
          onChange={(zone) => change({ zone })}
        />
      </div>
      <div className="setting">
        <span>{texts.settings.density}</span>
        <Segments
          label={texts.settings.density}
          options={DENSITIES.map((name) => [name, texts.settings.densities[name]])}
          value={density}
          onChange={(density) => change({ density })}
        />
      </div>
      <label className="check">
        <input type="checkbox" checked={sound} onChange={(event) => change({ sound: event.target.checked })} />
        {texts.settings.sound}
      </label>
      {'Notification' in window && (
        <label className="check">
          <input type="checkbox" checked={notifications} onChange={(event) => void notify(event.target.checked)} />
          {texts.settings.notifications}
        </label>
      )}
      <p className="problem" role="alert">
        {isRefused && texts.settings.refused}
      </p>
      <div className="actions">
        <button type="button" className="button primary" onClick={() => dialog.current?.close()}>
          {texts.settings.done}
        </button>
      </div>
    </dialog>
  )
}
