import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { Icon } from '../icons.js'
import { Flashing } from '../markets/flashing_price.js'
import { useBalance } from './live_account.js'
import type { Session } from './session.js'

interface AccountMenuProps {
  readonly session: Session
  /** The profit and loss of the contracts that have closed today; undefined while it is not known. */
  readonly profitToday: string | undefined
  readonly onLeave: () => void
}

/** The account's name, its live balance, today's profit and loss, and the button to log out. */
export function AccountMenu({ session, profitToday, onLeave }: AccountMenuProps) {
  const { account } = session
  const balance = useBalance(session)
  const text = balance === undefined ? '–' : formatMoney(balance.balance, balance.currency)
  return (
    <div className="account">
      {profitToday !== undefined && (
        <span className="today" title="Profit and loss of the contracts closed today, UTC">
          <span className="caption">Today</span>{' '}
          <b className={profitDirection(profitToday)}>{formatProfit(profitToday)}</b>
        </span>
      )}
      <span className="balance">
        <span className="caption">{account.id}</span>
        <Flashing value={balance === undefined ? undefined : Number(balance.balance)} text={text} label="balance" />
      </span>
      <button type="button" className="button leave" data-account onClick={onLeave}>
        <Icon name="exit" />
        <span>Log out</span>
      </button>
    </div>
  )
}
