import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react'
import type { Contract } from '../src/pricewire.js'
import { notifyResult, playResult } from './account/alerts.js'
import { Announcements } from './account/announcements.js'
import { useBalance, useClosedContracts, usePositions } from './account/live_account.js'
import { Login } from './account/login.js'
import { Positions } from './account/positions.js'
import { restoreSession, useSession } from './account/session.js'
import { useSessionGuard } from './account/session_guard.js'
import { useProfitToday, useSettlements } from './account/settlements.js'
import { BottomTabs } from './bottom_tabs.js'
import { ChartPanel } from './chart/chart_panel.js'
import { zoneOf } from './chart/contract_zone.js'
import { linesOf, type PriceLine, shownContract, TICKET_LINE } from './chart/price_lines.js'
import { ConnectionProblem } from './connection_status.js'
import { useDensity } from './density.js'
import { useConnectionLog } from './inspector/connection_log.js'
import { useInstruments } from './markets/instruments.js'
import { Markets } from './markets/markets.js'
import { Quote } from './markets/quote.js'
import { changePreferences, rememberInstrument, usePreferences } from './preferences.js'
import { linkTo, useRoute } from './route.js'
import { Settings } from './settings.js'
import { texts, useLanguage } from './texts/language.js'
import { useTheme } from './theme.js'
import { TopBar } from './top_bar.js'
import { useProducts } from './trade/products.js'
import { Ticket } from './trade/ticket.js'

/**
 * Gives the focus to the account's button in the bar, once the element that had it is gone: otherwise the keyboard would begin anew at the
 * top.
 */
function restoreFocus(): void {
  requestAnimationFrame(() => {
    if (document.activeElement === document.body)
      document.querySelector<HTMLElement>('[data-account]')?.focus({ preventScroll: true })
  })
}

/** Loaded where it is opened: traders do not need it. */
const Inspector = lazy(async () => ({ default: (await import('./inspector/inspector.js')).Inspector }))

const NO_CONTRACTS: readonly Contract[] = []

/** The trading page. */
export function App() {
  const language = useLanguage()
  const { instruments, error } = useInstruments()
  const products = useProducts()
  const [route, go] = useRoute()
  const { id, timeframe, tab, range, product } = route
  const [theme, themeChoice, chooseTheme] = useTheme()
  useDensity()
  const [{ sound, notifications, chartStyle }] = usePreferences()
  const style = route.style ?? chartStyle
  const [isInspecting, setInspecting] = useState(false)
  const [isLoggingIn, setLoggingIn] = useState(false)
  const [isSetting, setSetting] = useState(false)
  const [barrier, setBarrier] = useState<number>()
  const [dragged, setDragged] = useState<number>()
  const [pointed, setPointed] = useState<string>()
  const [picked, setPicked] = useState<string>()
  const { session } = useSession()
  const balance = useBalance(session)
  const open = usePositions(session)
  const { contracts } = open
  const closed = useClosedContracts(session)
  const profitToday = useProfitToday(session, closed?.contracts)
  const { settlements, dismiss } = useSettlements(closed?.contracts, (contract) => {
    if (sound) playResult(contract)
    if (notifications) notifyResult(contract)
  })
  useSessionGuard()
  useConnectionLog()
  useEffect(() => void restoreSession(), [])

  const chosen = instruments?.find((instrument) => instrument.id === id) ?? instruments?.[0]
  // On a narrow screen the list is in another tab than the chart.
  const choose = useCallback(
    (id: string) => {
      go({ id, tab: 'trade' })
      rememberInstrument(id)
    },
    [go],
  )
  const login = useCallback(() => setLoggingIn(true), [])
  const shown = shownContract(contracts ?? NO_CONTRACTS, closed?.contracts ?? NO_CONTRACTS, chosen?.id, [
    pointed,
    picked,
  ])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the language changes the titles.
  const lines = useMemo(() => {
    const ticketLine: PriceLine[] =
      barrier === undefined
        ? []
        : [{ key: TICKET_LINE, price: barrier, title: texts.chart.ticket, kind: 'barrier', direction: '' }]
    return [...ticketLine, ...(shown === undefined ? [] : linesOf(shown))]
  }, [barrier, shown, language])
  const hasTrading = products !== undefined && products.length > 0

  return (
    <>
      <TopBar
        hasTrading={hasTrading}
        isInspecting={isInspecting}
        profitToday={profitToday}
        onSettings={() => setSetting(true)}
        onInspect={() => setInspecting(!isInspecting)}
        onLogin={login}
        onLeave={restoreFocus}
      />
      <ConnectionProblem listError={error} />
      <main
        data-tab={tab}
        data-trading={products === undefined ? 'unknown' : hasTrading}
        data-inspecting={isInspecting}
      >
        <section className="detail card" aria-label={texts.markets.chosen}>
          {chosen !== undefined && (
            <>
              {id !== undefined && id !== chosen.id && (
                <p className="missing">{texts.markets.missing(id, chosen.display_name)}</p>
              )}
              <Quote key={chosen.id} instrument={chosen} />
              <ChartPanel
                instrument={chosen}
                timeframe={timeframe}
                range={range}
                style={style}
                theme={theme}
                lines={lines}
                link={() => linkTo({ ...route, id: chosen.id, style, product: product ?? products?.[0]?.id })}
                contract={shown && zoneOf(shown)}
                onBarrier={setDragged}
                onView={(timeframe, range) => {
                  changePreferences({ view: { timeframe, range } })
                  go({ timeframe, range })
                }}
                onStyle={(style) => {
                  changePreferences({ chartStyle: style })
                  go({ style })
                }}
              />
            </>
          )}
        </section>
        <section className="markets-place" aria-label={texts.markets.label}>
          <Markets instruments={instruments ?? []} chosen={chosen?.id} onChoose={choose} />
        </section>
        {hasTrading && chosen !== undefined && (
          <section className="ticket-place card" aria-label={texts.ticket.place}>
            <Ticket
              // What was typed has the old language's separators.
              key={language}
              instrument={chosen}
              products={products}
              product={product}
              onProduct={(product) => go({ product })}
              balance={balance && Number(balance.balance)}
              closed={closed?.contracts ?? NO_CONTRACTS}
              onLogin={login}
              dragged={dragged}
              onDragged={() => setDragged(undefined)}
              onBarrier={setBarrier}
            />
          </section>
        )}
        {hasTrading && (
          <Positions
            open={open}
            closed={closed}
            onChoose={choose}
            onPoint={setPointed}
            onPick={setPicked}
            onLogin={login}
          />
        )}
        {(isInspecting || tab === 'events') && (
          <Suspense>
            <Inspector
              instrumentId={chosen?.id ?? ''}
              onClose={() => {
                setInspecting(false)
                go({ tab: 'trade' })
              }}
            />
          </Suspense>
        )}
      </main>
      <BottomTabs
        tab={tab}
        hasTrading={hasTrading}
        openCount={contracts?.length ?? 0}
        onChoose={(tab) => go({ tab })}
      />
      <Announcements settlements={settlements} onChoose={choose} onDismiss={dismiss} />
      {isSetting && <Settings theme={themeChoice} onTheme={chooseTheme} onClose={() => setSetting(false)} />}
      {isLoggingIn && (
        <Login
          onClose={() => {
            setLoggingIn(false)
            restoreFocus()
          }}
        />
      )}
    </>
  )
}
