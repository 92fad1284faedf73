import { AccountMenu } from './account/account_menu.js'
import { leaveSession, useSession } from './account/session.js'
import { Status } from './connection_status.js'
import { Icon } from './icons.js'
import { texts } from './texts/language.js'

interface TopBarProps {
  readonly hasTrading: boolean
  readonly isInspecting: boolean
  /** The profit and loss of the contracts that have closed today; undefined while it is not known. */
  readonly profitToday: string | undefined
  readonly onSettings: () => void
  readonly onInspect: () => void
  readonly onLogin: () => void
  /** Called after the user has logged out. */
  readonly onLeave: () => void
}

/** The bar at the top: the connection, its traffic, and the account. */
export function TopBar({
  hasTrading,
  isInspecting,
  profitToday,
  onSettings,
  onInspect,
  onLogin,
  onLeave,
}: TopBarProps) {
  const { session, isRestoring } = useSession()
  return (
    <header className="bar">
      <h1>
        <Icon name="brand" />
        <span>Pricewire</span>
      </h1>
      <Status />
      <div className="tools">
        <button
          type="button"
          className="icon-button only-wide"
          aria-pressed={isInspecting}
          aria-label={texts.bar.events}
          title={texts.bar.events}
          onClick={onInspect}
        >
          <Icon name="wire" />
        </button>
        <button
          type="button"
          className="icon-button"
          onClick={onSettings}
          aria-label={texts.bar.settings}
          title={texts.bar.settings}
        >
          <Icon name="settings" />
        </button>
      </div>
      {hasTrading &&
        (session === undefined ? (
          <button type="button" className="button primary" data-account aria-disabled={isRestoring} onClick={onLogin}>
            {texts.bar.logIn}
          </button>
        ) : (
          <AccountMenu
            session={session}
            profitToday={profitToday}
            onLeave={() => {
              void leaveSession()
              onLeave()
            }}
          />
        ))}
    </header>
  )
}
