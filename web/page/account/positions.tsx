import { useState } from 'react'
import type { Contract } from '../../src/pricewire.js'
import { Segments } from '../fields.js'
import { formatProfit, profitDirection } from '../format.js'
import { ClosedContracts } from './closed_contracts.js'
import { totalProfit } from './contracts.js'
import { OpenContracts } from './open_contracts.js'
import { useSession } from './session.js'

interface PositionsProps {
  /** The open contracts; undefined while they load. */
  readonly contracts: readonly Contract[] | undefined
  readonly onChoose: (instrumentId: string) => void
  readonly onLogin: () => void
}

/** The account's contracts, open or closed. */
export function Positions({ contracts, onChoose, onLogin }: PositionsProps) {
  const { session, isRestoring } = useSession()
  const [shown, setShown] = useState<'open' | 'closed'>('open')
  const total = totalProfit(contracts ?? [])
  return (
    <section className="positions card" aria-label="Positions" data-live={session !== undefined}>
      <header>
        <h2>Positions</h2>
        <Segments
          label="Open or closed contracts"
          options={[
            ['open', `Open ${contracts === undefined ? '' : contracts.length}`.trim()],
            ['closed', 'Closed'],
          ]}
          value={shown}
          onChange={setShown}
        />
        {shown === 'open' && contracts !== undefined && contracts.length > 0 && (
          <span className="total">
            <span className="caption">Profit and loss</span>{' '}
            <b className={profitDirection(total.toFixed(2))}>{formatProfit(total.toFixed(2))}</b>
          </span>
        )}
      </header>
      {session === undefined ? (
        <p className="empty">
          {isRestoring ? (
            'Restoring your session …'
          ) : (
            <>
              Your contracts appear here.{' '}
              <button type="button" className="link" onClick={onLogin}>
                Log in
              </button>
            </>
          )}
        </p>
      ) : shown === 'closed' ? (
        <ClosedContracts session={session} onChoose={onChoose} />
      ) : (
        <OpenContracts session={session} contracts={contracts} onChoose={onChoose} />
      )}
    </section>
  )
}
