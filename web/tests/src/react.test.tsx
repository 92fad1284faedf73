// @vitest-environment happy-dom
import { act, StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type MarketOptions, useCandlesSSE, useMarketSSE } from '../../src/react.js'
import { open, TestServer } from '../server.js'

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true

let server: TestServer
let root: Root
let element: HTMLElement
let openStreams: Set<(text: string) => void>

beforeEach(async () => {
  openStreams = new Set()
  server = await new TestServer((_, response, count) => {
    const write = (text: string) => void response.write(text)
    openStreams.add(write)
    response.on('close', () => openStreams.delete(write))
    open(response)
    for (const topic of server.query(count).getAll('topic')) write(event(topic, 1))
  }).start()
  element = document.body.appendChild(document.createElement('div'))
  root = createRoot(element)
})

afterEach(async () => {
  act(() => root.unmount())
  element.remove()
  await vi.waitFor(() => expect(openStreams.size).toBe(0))
  await server.stop()
})

/** The event of a topic whose prices are all this number. */
function event(topic: string, price: number): string {
  const [kind, id = '', granularity] = topic.split(':')
  const p = String(price)
  const data =
    kind === 'ticks'
      ? { instrument_id: id, epoch_ms: '1000', price: p, bid: p, ask: p }
      : { instrument_id: id, granularity: Number(granularity), open_epoch_ms: '0', open: p, high: p, low: p, close: p }
  const envelope = { event: kind === 'ticks' ? 'tick' : 'candle', subscription_id: topic, seq: price, data }
  return `data: ${JSON.stringify(envelope)}\n\n`
}
const send = (...texts: string[]) => {
  for (const write of openStreams) write(texts.join(''))
}
const shown = (text: string) => act(() => vi.waitFor(() => expect(element.textContent).toBe(text)))

let renders = 0
function Price({ id, ...options }: { id?: string } & MarketOptions) {
  const { price, isConnected, error } = useMarketSSE(id, { baseUrl: server.url, ...options })
  renders += 1
  return `${id}: ${price?.bid} ${isConnected ? 'live' : (error?.message ?? 'off')}; `
}
function Candle({ id }: { id: string }) {
  return `${id}: ${useCandlesSSE(id, 60, { baseUrl: server.url }).candle?.close}; `
}

describe('useMarketSSE', () => {
  it('shows the newest price, and forty hooks share one connection, also under StrictMode', async () => {
    const ids = Array.from({ length: 39 }, (_, index) => `I${index}`)
    act(() =>
      root.render(
        <StrictMode>
          {ids.map((id) => (
            <Price key={id} id={id} />
          ))}
          <Candle id="C" />
        </StrictMode>,
      ),
    )
    await shown(`${ids.map((id) => `${id}: 1 live; `).join('')}C: 1; `)
    expect(server.requests).toHaveLength(1)
    send(event('ticks:I0', 2))
    await shown(
      `I0: 2 live; ${ids
        .slice(1)
        .map((id) => `${id}: 1 live; `)
        .join('')}C: 1; `,
    )
  })

  it('calls back with every price, and renders once per frame', async () => {
    const prices: number[] = []
    const onPrice = vi.fn(({ bid }) => prices.push(bid))
    act(() => root.render(<Price id="A" onPrice={onPrice} />))
    await shown('A: 1 live; ')
    const before = renders
    send(...Array.from({ length: 500 }, (_, index) => event('ticks:A', index + 2)))
    await shown('A: 501 live; ')
    expect(prices).toEqual(Array.from({ length: 501 }, (_, index) => index + 1))
    expect(renders - before).toBeLessThan(20)
    expect(onPrice.mock.calls[0]?.[0]).toEqual({
      instrument_id: 'A',
      bid: 1,
      ask: 1,
      price: 1,
      epoch_ms: 1000,
      timestamp: '1970-01-01T00:00:01.000Z',
    })
  })

  it('never shows the price of the instrument before', async () => {
    act(() => root.render(<Price id="A" />))
    await shown('A: 1 live; ')
    act(() => root.render(<Price id="B" />))
    expect(element.textContent).toBe('B: undefined live; ')
    await shown('B: 1 live; ')
  })

  it('tells of connecting and disconnecting, and why', async () => {
    const calls: string[] = []
    const options = {
      onConnect: () => calls.push('connect'),
      onDisconnect: () => calls.push('disconnect'),
      onError: () => calls.push('error'),
      reconnectAttempts: 0,
    }
    act(() => root.render(<Price id="A" {...options} />))
    await shown('A: 1 live; ')
    await server.stop()
    await act(() => vi.waitFor(() => expect(calls).toEqual(['connect', 'disconnect', 'error'])))
    expect(element.textContent).toMatch(/^A: 1 the (server|connection) /)
  })

  it('subscribes to nothing without an instrument, nor while rendered on a server', () => {
    act(() => root.render(<Price />))
    expect(renderToString(<Price id="A" />)).toBe('A: undefined off; ')
    expect(server.requests).toHaveLength(0)
  })

  it('leaves nothing behind after a thousand mounts', async () => {
    for (let round = 0; round < 1000; round += 1) {
      act(() => root.render(<Price key={round} id="A" />))
    }
    await shown('A: 1 live; ')
    expect(openStreams.size).toBe(1)
    act(() => root.render(null))
    await vi.waitFor(() => expect(openStreams.size).toBe(0))
  })
})
