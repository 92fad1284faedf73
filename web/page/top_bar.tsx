import { AccountMenu } from './account/account_menu.js'
import { useSession } from './account/session.js'
import { Status } from './connection_status.js'
import { Icon } from './icons.js'
import { Meter } from './inspector/meter.js'
import type { Theme } from './theme.js'

interface TopBarProps {
  readonly theme: Theme
  readonly hasTrading: boolean
  readonly isInspecting: boolean
  readonly onTheme: () => void
  readonly onInspect: () => void
  readonly onLogin: () => void
}

/** The bar at the top: the connection, its traffic, and the account. */
export function TopBar({ theme, hasTrading, isInspecting, onTheme, onInspect, onLogin }: TopBarProps) {
  const { session, isRestoring } = useSession()
  const label = `Switch to ${theme === 'dark' ? 'light' : 'dark'}`
  return (
    <header className="bar">
      <h1>
        <Icon name="brand" />
        <span>Pricewire</span>
      </h1>
      <Status />
      <Meter />
      <div className="tools">
        <button
          type="button"
          className="icon-button only-wide"
          aria-pressed={isInspecting}
          aria-label="Show the raw events"
          title="Show the raw events"
          onClick={onInspect}
        >
          <Icon name="wire" />
        </button>
        <button type="button" className="icon-button" onClick={onTheme} aria-label={label} title={label}>
          <Icon name={theme === 'dark' ? 'sun' : 'moon'} />
        </button>
      </div>
      {hasTrading &&
        (session === undefined ? (
          <button type="button" className="button primary" aria-disabled={isRestoring} onClick={onLogin}>
            Log in
          </button>
        ) : (
          <AccountMenu session={session} />
        ))}
    </header>
  )
}
