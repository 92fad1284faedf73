import { useEffect, useRef } from 'react'
import type { Contract } from '../../src/pricewire.js'
import { serverTime } from '../clock.js'
import { formatCount, formatMoney, formatProfit, formatSpot, formatTime, profitDirection } from '../format.js'
import { Icon } from '../icons.js'
import { usePreferences } from '../preferences.js'
import { texts } from '../texts/language.js'
import { LifeChart } from './life_chart.js'
import { outcomeOf } from './outcome.js'
import type { Session } from './session.js'
import { type LifeTick, useContract } from './use_contract.js'

/** How many ticks are listed, the newest: more than anybody reads, and few enough to be drawn at once. */
const LISTED = 200

interface ContractDrawerProps {
  readonly session: Session
  readonly contractId: string
  /** The contracts that the page has anyway. */
  readonly known: readonly Contract[]
  readonly onClose: () => void
}

/** One contract, whatever became of it: its terms, its result, and the ticks of its life. */
export function ContractDrawer({ session, contractId, known, onClose }: ContractDrawerProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const { contract, ticks, isWhole, problem } = useContract(session, contractId, known)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      className="drawer"
      aria-label={texts.drawer.label}
      onClose={onClose}
      // A click beside it.
      onPointerDown={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div>
        <header>
          <h2>
            {contract === undefined
              ? texts.drawer.label
              : texts.contract.nameOn(
                  texts.contract.variants[contract.contract_details.variant],
                  contract.contract_details.instrument_name,
                )}
          </h2>
          <button
            type="button"
            className="icon-button"
            aria-label={texts.drawer.close}
            title={texts.drawer.close}
            onClick={() => dialog.current?.close()}
          >
            <Icon name="close" />
          </button>
        </header>
        {problem !== undefined && (
          <p className="empty problem" role="alert">
            {problem}
          </p>
        )}
        {contract === undefined
          ? problem === undefined && <p className="empty">{texts.drawer.loading}</p>
          : problem === undefined && <Life contract={contract} ticks={ticks} isWhole={isWhole} />}
      </div>
    </dialog>
  )
}

interface LifeProps {
  readonly contract: Contract
  readonly ticks: readonly LifeTick[] | undefined
  readonly isWhole: boolean
}

function Life({ contract, ticks, isWhole }: LifeProps) {
  const [{ zone }] = usePreferences()
  const { contract_details: details } = contract
  const { columns, drawer } = texts
  const isOpen = details.exit_time === null
  const time = (at: number | null) => (at === null ? '–' : formatTime(at, serverTime(Date.now()), zone))
  const direction = profitDirection(details.profit_loss)
  const facts: readonly (readonly [string, string])[] = [
    [columns.stake, formatMoney(details.stake, details.bid_price_currency)],
    [
      isOpen ? columns.payout : columns.payoutReceived,
      formatMoney(isOpen ? details.potential_payout : details.bid_price),
    ],
    [drawer.duration, texts.contract.duration(details.duration, details.duration_unit)],
    [columns.barrier, formatSpot(details.barrier)],
    [drawer.bought, time(details.contract_start_time)],
    [columns.entry, `${formatSpot(details.entry_spot)} · ${time(details.entry_tick_time)}`],
    [columns.exit, `${formatSpot(details.exit_spot)} · ${time(details.exit_tick_time)}`],
    [columns.closed, time(details.exit_time)],
    [drawer.reference, details.reference_id],
  ]
  return (
    <>
      <p className={`outcome ${direction}`}>
        {isOpen ? texts.positions.open : texts.contract.outcomes[outcomeOf(contract)]}{' '}
        <b>{formatProfit(details.profit_loss)}</b>
      </p>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Ticks contract={contract} ticks={ticks} isWhole={isWhole} time={time} />
    </>
  )
}

interface TicksProps extends LifeProps {
  readonly time: (epochMs: number) => string
}

function Ticks({ contract, ticks, isWhole, time }: TicksProps) {
  const { contract_details: details } = contract
  const { drawer } = texts
  if (ticks === undefined) return <p className="empty">{drawer.loadingTicks}</p>
  if (details.entry_tick_time === null)
    return <p className="empty">{details.exit_time === null ? drawer.notYetEntered : drawer.notEntered}</p>
  if (ticks.length === 0) return <p className="empty">{drawer.noTicks}</p>
  const barrier = Number(details.barrier ?? details.entry_spot)
  const listed = ticks.slice(-LISTED).reverse()
  return (
    <>
      <LifeChart
        ticks={ticks}
        barrier={Number.isFinite(barrier) ? barrier : undefined}
        direction={profitDirection(details.profit_loss)}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it. */}
      <div className="scroll" tabIndex={0}>
        <table className="topics">
          <caption>
            {ticks.length > listed.length
              ? drawer.newestTicks(formatCount(listed.length), formatCount(ticks.length))
              : isWhole
                ? drawer.ticks(ticks.length)
                : drawer.someTicks(formatCount(ticks.length))}
          </caption>
          <thead>
            <tr>
              <th scope="col">{drawer.time}</th>
              <th scope="col">{drawer.price}</th>
              <th scope="col">{drawer.mark}</th>
            </tr>
          </thead>
          <tbody>
            {listed.map((tick, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: counted from the first tick, it stays the same; two may have one time and price.
              <tr key={ticks.length - place}>
                <th scope="row">{time(tick.epochMs)}</th>
                <td>{formatSpot(tick.price)}</td>
                <td>
                  {tick.epochMs === details.entry_tick_time && texts.columns.entry}
                  {tick.epochMs === details.exit_tick_time && ` ${texts.columns.exit}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}
