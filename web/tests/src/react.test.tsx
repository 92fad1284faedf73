// @vitest-environment happy-dom
import { act, StrictMode, Suspense, use } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import type { Candle as CandleBody } from '../../src/pricewire.js'
import {
  type HookOptions,
  type MarketOptions,
  type MarketPrice,
  useBalanceSSE,
  useCandlesSSE,
  useContractSSE,
  useMarketSSE,
  usePositionsSSE,
  usePricewireState,
  useProposalSSE,
  useTopic,
  useTopics,
} from '../../src/react.js'
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

/** The event of any topic. */
const eventOf = (topic: string, data: object) =>
  `data: ${JSON.stringify({ event: topic.split(':')[0], subscription_id: topic, seq: 1, data })}\n\n`

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
const shown = (text: string) => act(() => vi.waitFor(() => expect(element.textContent).toBe(text), { timeout: 4000 }))

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

  it('gives prices as numbers, and candles as text with every digit', async () => {
    const [large, fine] = ['1000000000000000000000.00', '0.12345678901234567890123']
    const onPrice = vi.fn()
    const onCandle = vi.fn()
    function Both() {
      const options = { baseUrl: server.url, onPrice, onCandle }
      const { price } = useMarketSSE('A', options)
      const { candle } = useCandlesSSE('A', 60, options)
      return `${price?.bid} ${price?.ask} ${candle?.high} ${candle?.low}`
    }
    act(() => root.render(<Both />))
    await shown('1 1 1 1')
    const tick = { instrument_id: 'A', epoch_ms: '1000', price: large, bid: large, ask: fine }
    const candle = { instrument_id: 'A', granularity: 60, open_epoch_ms: '0', high: large, low: fine }
    for (const [topic, event, data] of [
      ['ticks:A', 'tick', tick],
      ['candles:A:60', 'candle', candle],
    ])
      send(`data: ${JSON.stringify({ event, subscription_id: topic, seq: 2, data })}\n\n`)
    await shown(`1e+21 0.12345678901234568 ${large} ${fine}`)
    expectTypeOf<MarketPrice['bid']>().toEqualTypeOf<number>()
    expectTypeOf<CandleBody['high']>().toEqualTypeOf<string>()
  })

  it('goes on where a callback throws, and reports that', async () => {
    const report = vi.spyOn(console, 'error').mockImplementation(() => {})
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const onPrice = () => {
      throw new Error('of the page')
    }
    act(() => root.render(<Price id="A" onPrice={onPrice} />))
    await shown('A: 1 live; ')
    send(event('ticks:A', 2))
    await shown('A: 2 live; ')
    expect(reported.mock.calls.map(([error]) => String(error))).toEqual(['Error: of the page', 'Error: of the page'])
    vi.unstubAllGlobals()
    report.mockRestore()
  })

  it('stays with the fetch of the first rendering, and shares no connection with another fetch', async () => {
    const fetches = vi.fn()
    const make =
      () =>
      (...args: Parameters<typeof fetch>) => {
        fetches()
        return fetch(...args)
      }
    const Own = () => <Price id="A" fetch={make()} />
    act(() =>
      root.render(
        <>
          <Own />
          <Price id="B" />
        </>,
      ),
    )
    await shown('A: 1 live; B: 1 live; ')
    send(event('ticks:A', 2), event('ticks:B', 2))
    await shown('A: 2 live; B: 2 live; ')
    expect(server.requests).toHaveLength(2)
    expect(fetches).toHaveBeenCalledTimes(1)
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

  it('calls back no faster than it is told to', async () => {
    const prices: number[] = []
    act(() => root.render(<Price id="A" throttle={200} onPrice={({ bid }) => prices.push(bid)} />))
    await shown('A: 1 live; ')
    send(...Array.from({ length: 500 }, (_, index) => event('ticks:A', index + 2)))
    await shown('A: 501 live; ')
    expect(prices.length).toBeLessThan(20)
    expect(prices.at(-1)).toBe(501)
  })

  it('says that a price is stale, until the next', async () => {
    function Age() {
      const { price, isStale } = useMarketSSE('A', { baseUrl: server.url })
      return `${price?.bid} ${isStale ? 'old' : 'new'}`
    }
    act(() => root.render(<Age />))
    await shown('1 new')
    send('event: stale\ndata: {"topic":"ticks:A"}\n\n')
    await shown('1 old')
    send(event('ticks:A', 2))
    await shown('2 new')
  })

  it('subscribes once a suspended component is there, and stays subscribed while it is hidden again', async () => {
    let go = () => {}
    const wait = () =>
      new Promise<void>((resolve) => {
        go = resolve
      })
    function Waiting({ gate }: { gate: Promise<void> }) {
      const { price } = useMarketSSE('A', { baseUrl: server.url })
      use(gate)
      return `A: ${price?.bid}`
    }
    const render = async (gate: Promise<void>) =>
      act(async () =>
        root.render(
          <Suspense fallback="wait">
            <Waiting gate={gate} />
          </Suspense>,
        ),
      )
    await render(wait())
    expect(element.textContent).toBe('wait')
    expect(server.requests).toHaveLength(0)
    await act(async () => go())
    await shown('A: 1')
    await render(wait())
    expect(element.innerText).toContain('wait')
    send(event('ticks:A', 2))
    await act(async () => go())
    await shown('A: 2')
    expect(server.requests).toHaveLength(1)
  })

  it('takes over what was rendered on a server', async () => {
    act(() => root.unmount())
    element.innerHTML = renderToString(<Price id="A" />)
    const onRecoverableError = vi.fn()
    act(() => {
      root = hydrateRoot(element, <Price id="A" />, { onRecoverableError })
    })
    await shown('A: 1 live; ')
    expect(onRecoverableError).not.toHaveBeenCalled()
  })
})

/** Shows what a hook gives as its value. */
function Show({ useValue }: { useValue: (options: HookOptions) => unknown }) {
  return JSON.stringify(useValue({ baseUrl: server.url }) ?? null)
}

describe('useTopic', () => {
  it('gives the messages of any topic, typed, over the connection of the other hooks', async () => {
    interface Headline {
      readonly text: string
    }
    const onData = vi.fn()
    function News() {
      const { data, isConnected } = useTopic<Headline>('news', { baseUrl: server.url, onData })
      expectTypeOf(data).toEqualTypeOf<Headline | null>()
      const nothing = useTopic<Headline>(undefined, { baseUrl: server.url })
      return `${data?.text} ${isConnected} ${nothing.data}; `
    }
    act(() =>
      root.render(
        <>
          <News />
          <Price id="A" />
        </>,
      ),
    )
    await shown('undefined true null; A: 1 live; ')
    send(`data: ${JSON.stringify({ event: 'headline', subscription_id: 'news', seq: 2, data: { text: 'one' } })}\n\n`)
    await shown('one true null; A: 1 live; ')
    expect(onData.mock.calls.map(([data, { seq }]) => [data, seq]).at(-1)).toEqual([{ text: 'one' }, 2])
    expect(server.requests).toHaveLength(1)
  })
})

describe('useTopics', () => {
  const message = (topic: string, seq: number) =>
    `data: ${JSON.stringify({ event: 'tick', subscription_id: topic, seq, data: { bid: `${seq}` } })}\n\n`

  beforeEach(() => {
    server.handler = (_, response, count) => {
      const write = (text: string) => void response.write(text)
      openStreams.add(write)
      response.on('close', () => openStreams.delete(write))
      open(response)
      if (server.query(count).getAll('topic').includes('ticks:1HZ*')) write(message('ticks:1HZ10V', 1))
    }
  })

  it('gives the newest message of each topic of a pattern, those that come too', async () => {
    const onData = vi.fn()
    function Prices({ pattern }: { pattern: string | undefined }) {
      const { data, isStale } = useTopics<{ bid: string }>(pattern, { baseUrl: server.url, onData })
      expectTypeOf(data).toEqualTypeOf<ReadonlyMap<string, { bid: string }>>()
      return `${[...data].map(([topic, { bid }]) => `${topic} ${bid}`)} ${isStale ? 'stale' : 'live'}; `
    }
    act(() =>
      root.render(
        <StrictMode>
          <Prices pattern="ticks:1HZ*" />
          <Prices pattern={undefined} />
        </StrictMode>,
      ),
    )
    await shown('ticks:1HZ10V 1 live;  live; ')
    send(message('ticks:1HZ25V', 1) + message('ticks:1HZ10V', 2))
    await shown('ticks:1HZ10V 2,ticks:1HZ25V 1 live;  live; ')
    expect(onData.mock.calls.map(([{ bid }, { subscription_id }]) => [subscription_id, bid])).toEqual([
      ['ticks:1HZ10V', '1'],
      ['ticks:1HZ25V', '1'],
      ['ticks:1HZ10V', '2'],
    ])
    // One that comes later begins with what is known.
    act(() =>
      root.render(
        <StrictMode>
          <Prices pattern="ticks:1HZ*" />
          <Prices pattern="ticks:1HZ*" />
        </StrictMode>,
      ),
    )
    await shown('ticks:1HZ10V 2,ticks:1HZ25V 1 live; ticks:1HZ10V 2,ticks:1HZ25V 1 live; ')
    send('event: stale\ndata: {"topic":"ticks:1HZ10V","since_epoch_ms":"1"}\n\n')
    await shown('ticks:1HZ10V 2,ticks:1HZ25V 1 stale; ticks:1HZ10V 2,ticks:1HZ25V 1 stale; ')
    expect(server.requests).toHaveLength(1)
  })

  it('has a pace for each topic', async () => {
    const onData = vi.fn()
    function Prices() {
      return [
        ...useTopics<{ bid: string }>('ticks:1HZ*', { baseUrl: server.url, throttle: 60_000, onData }).data.keys(),
      ].join()
    }
    act(() => root.render(<Prices />))
    await shown('ticks:1HZ10V')
    send(message('ticks:1HZ10V', 2) + message('ticks:1HZ25V', 1))
    await shown('ticks:1HZ10V,ticks:1HZ25V')
    expect(onData).toHaveBeenCalledTimes(2)
  })

  it('forgets what has ended when the stream begins anew', async () => {
    let cut = () => {}
    let topics = ['ticks:1HZ10V', 'ticks:1HZ25V']
    server.handler = (_, response) => {
      cut = () => response.destroy()
      open(response)
      for (const topic of topics) response.write(message(topic, 1))
    }
    function Prices() {
      const { data, isStale } = useTopics('ticks:1HZ*', { baseUrl: server.url, reconnectInterval: 1 })
      return `${[...data.keys()]} ${isStale ? 'stale' : 'live'}`
    }
    act(() => root.render(<Prices />))
    await shown('ticks:1HZ10V,ticks:1HZ25V live')
    topics = ['ticks:1HZ25V']
    cut()
    await shown('ticks:1HZ25V live')
  })

  it('keeps no more topics than the store', async () => {
    function Prices() {
      const { data } = useTopics('ticks:1HZ*', { baseUrl: server.url })
      return `${data.size} ${[...data.keys()].at(-1)}`
    }
    act(() => root.render(<Prices />))
    await shown('1 ticks:1HZ10V')
    send(...Array.from({ length: 1200 }, (_, index) => message(`ticks:1HZ${index}`, 1)))
    await act(() =>
      vi.waitFor(() => expect(element.textContent).toBe('1000 ticks:1HZ1199'), { timeout: 30_000, interval: 100 }),
    )
  }, 60_000)

  it('says in each component that a pattern is refused', async () => {
    server.handler = (_, response, count) => {
      if (server.query(count).getAll('topic').includes('proposal:*')) {
        response.writeHead(400, { 'Content-Type': 'application/json' })
        response.end(JSON.stringify({ error: { code: 'INVALID_PARAMETERS', message: 'no such patterns' } }))
      } else {
        open(response)
        response.write(message('ticks:1HZ10V', 1))
      }
    }
    function Prices({ pattern }: { pattern: string }) {
      const { isConnected, error } = useTopics(pattern, { baseUrl: server.url })
      return `${isConnected ? 'live' : 'off'} ${error?.message}; `
    }
    const render = (hasOther: boolean) =>
      act(() =>
        root.render(
          <>
            <Prices pattern="ticks:1HZ*" />
            <Prices pattern="proposal:*" />
            {hasOther && <Prices pattern="proposal:*" />}
          </>,
        ),
      )
    render(false)
    await shown('live undefined; live no such patterns; ')
    render(true)
    await shown('live undefined; live no such patterns; live no such patterns; ')
  })

  it('is what a pattern is for: a hook of one topic says so', () => {
    function Price() {
      return useMarketSSE('1HZ*', { baseUrl: server.url }).price?.bid
    }
    expect(() => renderToString(<Price />)).toThrow('ticks:1HZ* is a pattern, and has many topics: take useTopics')
  })
})

describe('the other hooks', () => {
  const requested = () => server.requests.map(({ url, headers }) => [url, headers.authorization])

  it('show positions and balance of an account, with its token, over one connection', async () => {
    server.handler = (_, response) => {
      open(response, eventOf('open_contracts:u', { contracts: [{ contract_id: 'c' }] }))
      response.write(eventOf('balance:u', { balance: '10.00' }))
      openStreams.add((text) => response.write(text))
      response.on('close', () => openStreams.clear())
    }
    act(() =>
      root.render(
        <>
          <Show useValue={(options) => usePositionsSSE('u', 'secret', options).positions} />
          <Show useValue={(options) => useBalanceSSE('u', 'secret', options).balance} />
          <Show useValue={(options) => useBalanceSSE('u', null, options).balance} />
          <Show useValue={(options) => useBalanceSSE(undefined, 'secret', options).balance} />
        </>,
      ),
    )
    await shown('[{"contract_id":"c"}]{"balance":"10.00"}nullnull')
    expect(requested()).toEqual([['/protected/sse?topic=open_contracts%3Au&topic=balance%3Au', 'Bearer secret']])
  })

  it.each([
    [undefined, 'proposal:touch:A:5:minutes:10:false:+0.5'],
    ['USD', 'proposal:touch:A:5:minutes:10:false:+0.5'],
    ['JPY', 'proposal:touch:A:5:minutes:JPY:10:false:+0.5'],
  ])('show the proposal that the parameters name, in the words of the server: %s', async (currency, topic) => {
    const params = { product_id: 'touch', instrument_id: 'A', duration: 5, duration_unit: 'minutes' } as const
    const useValue = (options: HookOptions) =>
      useProposalSSE({ ...params, stake: '010.00', barrier: '+0.50', currency }, options).proposal
    act(() => root.render(<Show useValue={useValue} />))
    await act(() => server.requested(1))
    expect(server.query(0).getAll('topic')).toEqual([topic])
    send(eventOf(topic, { variants: [] }))
    await shown('{"variants":[]}')
  })

  it('show the price of a contract, and one stream is enough for the same contract', async () => {
    const params = { duration: '5m', instrument: 'A', trade_type: 'CALL', currency: 'USD', payout: '10' } as const
    const useValue = (options: HookOptions) => useContractSSE({ ...params }, 'secret', options).price
    act(() => root.render([1, 2].map((key) => <Show key={key} useValue={useValue} />)))
    await act(() => server.requested(1))
    send('data: {"price":"5.12"}\n\n')
    await shown('{"price":"5.12"}{"price":"5.12"}')
    const query = 'action=contract_price&duration=5m&instrument=A&trade_type=CALL&currency=USD&payout=10'
    expect(requested()).toEqual([[`/protected/sse?${query}`, 'Bearer secret']])
  })

  it('take a new token with a new connection, and a new function that returns tokens with none', async () => {
    const render = (token: string | (() => string)) =>
      act(() => root.render(<Show useValue={(options) => useBalanceSSE('u', token, options).isConnected} />))
    render('a')
    await shown('true')
    render('b')
    await shown('true')
    render(() => 'c')
    await shown('true')
    render(() => 'd')
    await act(() => vi.waitFor(() => expect(openStreams.size).toBe(1)))
    expect(requested().map(([, token]) => token)).toEqual(['Bearer a', 'Bearer b', 'Bearer c'])
  })

  it('tell the state of the connection that there is, open none, and connect again when told to', async () => {
    let reconnect = () => {}
    function State() {
      const { state, ...rest } = usePricewireState({ baseUrl: server.url })
      reconnect = rest.reconnect
      return state.status
    }
    act(() => root.render(<State />))
    expect(element.textContent).toBe('closed')
    act(() => root.render([<State key="state" />, <Price key="price" id="A" />]))
    await shown('openA: 1 live; ')
    act(() => reconnect())
    await act(() => server.requested(2))
    await shown('openA: 1 live; ')
    expect(openStreams.size).toBe(1)
  })
})
