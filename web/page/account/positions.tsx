import { type ComponentProps, useState } from 'react'
import type { ClosedContractsBody } from '../../src/schema.js'
import { Segments } from '../fields.js'
import { formatCount, formatProfit, profitDirection } from '../format.js'
import { useLoading } from '../loading.js'
import { texts } from '../texts/language.js'
import { ClosedContracts } from './closed_contracts.js'
import { formatWinRate, totalProfit } from './contracts.js'
import { Hints } from './hints.js'
import type { OpenPositions } from './live_account.js'
import { OpenContracts } from './open_contracts.js'
import { useSession } from './session.js'

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

let Statement: typeof import('./statement.js').Statement | undefined

async function loadStatement(): Promise<void> {
  Statement = (await import('./statement.js')).Statement
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
    <section className="positions card" aria-label={texts.positions.title}>
      <header>
        <h2>{texts.positions.title}</h2>
        <Segments
          label={texts.positions.choice}
          options={[
            ['open', `${texts.positions.open} ${contracts === undefined ? '' : formatCount(contracts.length)}`.trim()],
            ['closed', texts.positions.closed],
            ['statement', texts.positions.statement],
          ]}
          value={shown}
          onChange={setShown}
        />
        {shown === 'open' && contracts !== undefined && contracts.length > 0 && (
          <span className="total">
            <span className="caption">{texts.positions.profitAndLoss}</span>{' '}
            <b className={profitDirection(total.toFixed(2))}>{formatProfit(total.toFixed(2))}</b>
          </span>
        )}
        {shown === 'closed' && closed !== undefined && closed.contracts.length > 0 && (
          <span className="total">
            <span className="caption">{texts.positions.won}</span> <b>{formatWinRate(closed.contracts)}</b>
          </span>
        )}
      </header>
      {session === undefined ? (
        <div className="empty">
          {isRestoring ? (
            texts.positions.restoring
          ) : (
            <>
              <p>
                {texts.positions.loggedOut}{' '}
                <button type="button" className="link" onClick={onLogin}>
                  {texts.bar.logIn}
                </button>
              </p>
              <Hints />
            </>
          )}
        </div>
      ) : shown === 'statement' ? (
        <LateStatement
          session={session}
          version={`${closed?.contracts[0]?.contract_id} ${contracts?.length}`}
          known={[...(contracts ?? []), ...(closed?.contracts ?? [])]}
        />
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

/** The statement, whose program is loaded where it is opened. A page that is older than its server may not find it there. */
function LateStatement(props: ComponentProps<NonNullable<typeof Statement>>) {
  const loading = useLoading(loadStatement)
  if (Statement !== undefined) return <Statement {...props} />
  if (loading !== 'failed') return <p className="empty">{texts.statement.loading}</p>
  return (
    <p className="empty problem" role="alert">
      {texts.positions.notLoaded}
    </p>
  )
}
