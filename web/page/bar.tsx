import { leaveSession, type Session, useSession } from './account/session.js'
import { formatMoney } from './format.js'
import type { Theme } from './hooks.js'
import { Icon } from './icons.js'
import { Meter } from './inspector/meter.js'
import { useBalance } from './live.js'
import { Flashing } from './markets/price.js'
import { Status } from './status.js'

interface BarProps {
  readonly theme: Theme
  readonly hasTrading: boolean
  readonly isExplaining: boolean
  readonly onTheme: () => void
  readonly onExplain: () => void
  readonly onLogin: () => void
}

/** The bar at the top: the connection, what it carries, and whose account this is. */
export function Bar({ theme, hasTrading, isExplaining, onTheme, onExplain, onLogin }: BarProps) {
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
          aria-pressed={isExplaining}
          aria-label="Show the events on the wire"
          title="Show the events on the wire"
          onClick={onExplain}
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

function AccountMenu({ session }: { session: Session }) {
  const { account } = session
  const balance = useBalance(session)
  const text = balance === undefined ? '–' : formatMoney(balance.balance, balance.currency)
  return (
    <div className="account">
      <span className="balance">
        <span className="caption">{account.id}</span>
        <Flashing value={balance === undefined ? undefined : Number(balance.balance)} text={text} label="balance" />
      </span>
      <button type="button" className="button leave" onClick={() => void leaveSession()}>
        <Icon name="exit" />
        <span>Log out</span>
      </button>
    </div>
  )
}
