/** The page of tests/browsers/test_hooks.py: components of every kind, shown and counted from outside. */

import { StrictMode } from 'react'
import { flushSync } from 'react-dom'
import { createRoot } from 'react-dom/client'
import { sharedStore } from '../../src/pricewire.js'
import { useCandlesSSE, useMarketSSE, usePricewireState } from '../../src/react.js'

const baseUrl = new URLSearchParams(location.search).get('server') ?? ''
const server = { baseUrl, hiddenAfter: 200, reconnectInterval: 1 }
const counts = { renders: 0, prices: 0 }

function Price({ id }: { id: string }) {
  const { price, isStale } = useMarketSSE(id, {
    ...server,
    onPrice: () => {
      counts.prices += 1
    },
  })
  counts.renders += 1
  return <output data-stale={isStale}>{price?.bid}</output>
}

function Candle({ id }: { id: string }) {
  return <output>{useCandlesSSE(id, 60, server).candle?.close}</output>
}

function State() {
  return <b>{usePricewireState(server).state.status}</b>
}

const root = createRoot(document.getElementById('root') as HTMLElement)

Object.assign(window, {
  counts,
  store: sharedStore(server),
  /** Shows the price of each instrument, of every fourth its candle, and the connection's state. */
  show: (ids: string[]) =>
    root.render(
      <StrictMode>
        <State />
        {ids.map((id, index) => (index % 4 === 3 ? <Candle key={id} id={id} /> : <Price key={id} id={id} />))}
      </StrictMode>,
    ),
  /** Mounts and unmounts so many components, one after another, across turns. */
  showMany: async (count: number) => {
    for (let round = 0; round < count; round += 1) {
      flushSync(() => root.render(<Price key={round} id={round % 2 ? 'R_10' : 'R_25'} />))
      if (round % 10 === 0) await new Promise((resolve) => setTimeout(resolve))
    }
    flushSync(() => root.render(null))
  },
})
