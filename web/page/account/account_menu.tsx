import { formatMoney } from '../format.js'
import { Icon } from '../icons.js'
import { Flashing } from '../markets/flashing_price.js'
import { useBalance } from './live_account.js'
import { leaveSession, type Session } from './session.js'

/** The account's name, its live balance, and the button to log out. */
export function AccountMenu({ session }: { session: Session }) {
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
