import { useCallback, useEffect, useMemo, useState } from 'react'
import { linesOf, type PriceLine } from './account/contracts.js'
import { Login } from './account/login.js'
import { Positions } from './account/positions.js'
import { restoreSession, useSession } from './account/session.js'
import { Bar } from './bar.js'
import { ChartPanel } from './chart/chart_panel.js'
import { useInstruments, usePlace, useProducts, useTheme } from './hooks.js'
import { Explain } from './inspector/explain.js'
import { usePositions } from './live.js'
import { Markets } from './markets/markets.js'
import { Quote } from './markets/quote.js'
import { useSessionGuard } from './server.js'
import { Trouble } from './status.js'
import { type Tab, Tabs } from './tabs.js'
import { Ticket } from './trade/ticket.js'
import { VARIANTS } from './trade/ticket_rules.js'

/** The page. */
export function App() {
  const { instruments, error } = useInstruments()
  const products = useProducts()
  const [{ id, timeframe }, go] = usePlace()
  const [theme, toggleTheme] = useTheme()
  const [tab, setTab] = useState<Tab>('trade')
  const [isExplaining, setExplaining] = useState(false)
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
      setTab('trade') // where the list is another tab than the chart, as on a phone
    },
    [go],
  )
  const login = useCallback(() => setLoggingIn(true), [])
  const lines = useMemo(() => {
    const asked: PriceLine[] =
      barrier === undefined ? [] : [{ key: 'asked', price: barrier, title: 'Ticket', kind: 'barrier', direction: '' }]
    return [...asked, ...linesOf(contracts ?? [], chosen?.id ?? '', (variant) => VARIANTS[variant].direction)]
  }, [barrier, contracts, chosen?.id])
  const hasTrading = products !== undefined && products.length > 0

  return (
    <>
      <Bar
        theme={theme}
        hasTrading={hasTrading}
        isExplaining={isExplaining}
        onTheme={toggleTheme}
        onExplain={() => setExplaining(!isExplaining)}
        onLogin={login}
      />
      <Trouble listError={error} />
      <main
        data-tab={tab}
        data-trading={products === undefined ? 'unknown' : hasTrading}
        data-explaining={isExplaining}
      >
        <section className="detail card" aria-label="Chosen instrument">
          {chosen !== undefined && (
            <>
              {id !== undefined && id !== chosen.id && (
                <p className="missing">
                  This server has no instrument “{id}”. Shown instead: {chosen.display_name}.
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
        {(isExplaining || tab === 'wire') && (
          <Explain
            onClose={() => {
              setExplaining(false)
              setTab('trade')
            }}
          />
        )}
      </main>
      <Tabs tab={tab} hasTrading={hasTrading} openCount={contracts?.length ?? 0} onChoose={setTab} />
      {isLoggingIn && <Login onClose={() => setLoggingIn(false)} />}
    </>
  )
}
