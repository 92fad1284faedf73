import { useState } from 'react'
import type { ClosedContractsBody } from '../../src/schema.js'
import { Segments } from '../fields.js'
import { formatProfit, profitDirection } from '../format.js'
import { ClosedContracts } from './closed_contracts.js'
import { formatWinRate, totalProfit } from './contracts.js'
import { Hints } from './hints.js'
import type { OpenPositions } from './live_account.js'
import { OpenContracts } from './open_contracts.js'
import { useSession } from './session.js'
import { Statement } from './statement.js'

interface PositionsProps {
  readonly open: OpenPositions
  /** The newest closed contracts; undefined while they load. */
  readonly closed: ClosedContractsBody | undefined
  readonly onChoose: (instrumentId: string) => void
  /** Called with the open contract that the user points at or, when there is none any more, with undefined. */
  readonly onPoint: (contractId: string | undefined) => void
  /** Called with the open contract that the user chooses. */
  readonly onPick: (contractId: string) => void
  readonly onLogin: () => void
}

/** The account's contracts, open or closed, and its statement. */
export function Positions({
  open: { contracts, isStale },
  closed,
  onChoose,
  onPoint,
  onPick,
  onLogin,
}: PositionsProps) {
  const { session, isRestoring } = useSession()
  const [shown, setShown] = useState<'open' | 'closed' | 'statement'>('open')
  const total = totalProfit(contracts ?? [])
  return (
    <section className="positions card" aria-label="Positions" data-live={session !== undefined}>
      <header>
        <h2>Positions</h2>
        <Segments
          label="Contracts or statement"
          options={[
            ['open', `Open ${contracts === undefined ? '' : contracts.length}`.trim()],
            ['closed', 'Closed'],
            ['statement', 'Statement'],
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
        {shown === 'closed' && closed !== undefined && closed.contracts.length > 0 && (
          <span className="total">
            <span className="caption">Won</span> <b>{formatWinRate(closed.contracts)}</b>
          </span>
        )}
      </header>
      {session === undefined ? (
        <div className="empty">
          {isRestoring ? (
            'Restoring your session …'
          ) : (
            <>
              <p>
                Your contracts appear here.{' '}
                <button type="button" className="link" onClick={onLogin}>
                  Log in
                </button>
              </p>
              <Hints />
            </>
          )}
        </div>
      ) : shown === 'statement' ? (
        <Statement session={session} version={`${closed?.contracts[0]?.contract_id} ${contracts?.length}`} />
      ) : shown === 'closed' ? (
        <ClosedContracts closed={closed} onChoose={onChoose} onPoint={onPoint} onPick={onPick} />
      ) : (
        <OpenContracts
          key={session.account.uuid}
          session={session}
          contracts={contracts}
          closed={closed?.contracts ?? []}
          isStale={isStale}
          onChoose={onChoose}
          onPoint={onPoint}
          onPick={onPick}
        />
      )}
    </section>
  )
}
