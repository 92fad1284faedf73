import { formatMoney, formatProfit, profitDirection } from '../format.js'
import { Icon } from '../icons.js'
import { Flashing } from '../markets/flashing_price.js'
import { texts } from '../texts/language.js'
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
        <span className="today" title={texts.bar.todayHint}>
          <span className="caption">{texts.bar.today}</span>{' '}
          <b className={profitDirection(profitToday)}>{formatProfit(profitToday)}</b>
        </span>
      )}
      <span className="balance">
        <span className="caption">{account.id}</span>
        <Flashing
          value={balance === undefined ? undefined : Number(balance.balance)}
          text={text}
          label={texts.bar.balance}
          name="balance"
        />
      </span>
      <button type="button" className="button leave" data-account onClick={onLeave}>
        <Icon name="exit" />
        <span>{texts.bar.logOut}</span>
      </button>
    </div>
  )
}
