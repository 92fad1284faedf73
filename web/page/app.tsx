import { useCallback, useEffect, useMemo, useState } from 'react'
import { usePositions } from './account/live_account.js'
import { Login } from './account/login.js'
import { Positions } from './account/positions.js'
import { restoreSession, useSession } from './account/session.js'
import { useSessionGuard } from './account/session_guard.js'
import { BottomTabs, type Tab } from './bottom_tabs.js'
import { ChartPanel } from './chart/chart_panel.js'
import { linesOf, type PriceLine } from './chart/price_lines.js'
import { ConnectionProblem } from './connection_status.js'
import { Inspector } from './inspector/inspector.js'
import { useInstruments } from './markets/instruments.js'
import { Markets } from './markets/markets.js'
import { Quote } from './markets/quote.js'
import { useRoute } from './route.js'
import { useTheme } from './theme.js'
import { TopBar } from './top_bar.js'
import { useProducts } from './trade/products.js'
import { Ticket } from './trade/ticket.js'

/** The trading page. */
export function App() {
  const { instruments, error } = useInstruments()
  const products = useProducts()
  const [{ id, timeframe }, go] = useRoute()
  const [theme, toggleTheme] = useTheme()
  const [tab, setTab] = useState<Tab>('trade')
  const [isInspecting, setInspecting] = useState(false)
  const [isLoggingIn, setLoggingIn] = useState(false)
  const [barrier, setBarrier] = useState<number>()
  const { session } = useSession()
  const contracts = usePositions(session)
  useSessionGuard()
  useEffect(() => void restoreSession(), [])

  const chosen = instruments?.find((instrument) => instrument.id === id) ?? instruments?.[0]
  const choose = useCallback(
    (id: string) => {
      go({ id })
      setTab('trade') // on a narrow screen the list is in another tab than the chart
    },
    [go],
  )
  const login = useCallback(() => setLoggingIn(true), [])
  const lines = useMemo(() => {
    const ticketLine: PriceLine[] =
      barrier === undefined ? [] : [{ key: 'ticket', price: barrier, title: 'Ticket', kind: 'barrier', direction: '' }]
    return [...ticketLine, ...linesOf(contracts ?? [], chosen?.id ?? '')]
  }, [barrier, contracts, chosen?.id])
  const hasTrading = products !== undefined && products.length > 0

  return (
    <>
      <TopBar
        theme={theme}
        hasTrading={hasTrading}
        isInspecting={isInspecting}
        onTheme={toggleTheme}
        onInspect={() => setInspecting(!isInspecting)}
        onLogin={login}
      />
      <ConnectionProblem listError={error} />
      <main
        data-tab={tab}
        data-trading={products === undefined ? 'unknown' : hasTrading}
        data-inspecting={isInspecting}
      >
        <section className="detail card" aria-label="Chosen instrument">
          {chosen !== undefined && (
            <>
              {id !== undefined && id !== chosen.id && (
                <p className="missing">
                  This server has no instrument “{id}”. The page shows {chosen.display_name} instead.
                </p>
              )}
              <Quote key={chosen.id} instrument={chosen} />
              <ChartPanel
                instrument={chosen}
                timeframe={timeframe}
                theme={theme}
                lines={lines}
                onTimeframe={(timeframe) => go({ timeframe })}
              />
            </>
          )}
        </section>
        <section className="markets-place" aria-label="Instruments">
          <Markets instruments={instruments ?? []} chosen={chosen?.id} onChoose={choose} />
        </section>
        {hasTrading && chosen !== undefined && (
          <section className="ticket-place card" aria-label="Trade">
            <Ticket instrument={chosen} products={products} onLogin={login} onBarrier={setBarrier} />
          </section>
        )}
        {hasTrading && <Positions contracts={contracts} onChoose={choose} onLogin={login} />}
        {(isInspecting || tab === 'events') && (
          <Inspector
            onClose={() => {
              setInspecting(false)
              setTab('trade')
            }}
          />
        )}
      </main>
      <BottomTabs tab={tab} hasTrading={hasTrading} openCount={contracts?.length ?? 0} onChoose={setTab} />
      {isLoggingIn && <Login onClose={() => setLoggingIn(false)} />}
    </>
  )
}
