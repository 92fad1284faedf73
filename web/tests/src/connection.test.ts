import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import { type ConnectionState, createSSEConnection, type SSEConnectionOptions } from '../../src/connection.js'
import type { Envelope, InstrumentPrice } from '../../src/messages.js'
import type { SSEError } from '../../src/problem.js'
import { jwt, Pricewire } from '../pricewire.js'
import { BAD, type Handler, open, TestServer } from '../server.js'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serve(handler: Handler): Promise<TestServer> {
  const server = await new TestServer(handler).start()
  cleanups.push(() => server.stop())
  return server
}

/** Connects, and resolves with the first call of a callback. */
function until<Name extends 'onMessage' | 'onError' | 'onOpen'>(
  name: Name,
  server: TestServer,
  options: Partial<SSEConnectionOptions> = {},
): Promise<Parameters<NonNullable<SSEConnectionOptions[Name]>>[0]> {
  return new Promise((resolve) => {
    const close = createSSEConnection({
      params: { topic: ['ticks:R_100'] },
      baseUrl: server.url,
      reconnectInterval: 1,
      onMessage: () => {},
      ...options,
      [name]: resolve,
    })
    cleanups.push(close)
  })
}

describe('createSSEConnection', () => {
  it('asks the public path without a token, and gives the parsed message', async () => {
    const server = await serve((_, response) => open(response, 'data: {"event":"tick","seq":1}\n\n'))
    const message = await until('onMessage', server, {
      baseUrl: `${server.url}/api/`,
      params: { topic: ['ticks:R_100', 'ticks:EUR'], interval_ms: 250, none: undefined },
    })
    expect(message).toEqual({ event: 'tick', seq: 1 })
    expect(server.requests[0]?.url).toBe('/api/sse?topic=ticks%3AR_100&topic=ticks%3AEUR&interval_ms=250')
  })

  it('asks the protected path with a token', async () => {
    const server = await serve((_, response) => open(response, 'data: {}\n\n'))
    await until('onMessage', server, { token: 'secret', headers: { 'X-Mine': '1' } })
    expect(server.requests[0]?.url).toBe('/protected/sse?topic=ticks%3AR_100')
    expect(server.requests[0]?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-mine': '1' })
  })

  it('says how the stream begins', async () => {
    const headers = { 'Pricewire-Start': 'snapshot', 'Pricewire-Stream': 's1' }
    const server = await serve((_, response) => open(response, '', headers))
    expect(await until('onOpen', server)).toEqual({ start: 'snapshot', streamId: 's1' })
  })

  it('reports what is no JSON, and goes on', async () => {
    const server = await serve((_, response) => open(response, 'data: {oops\n\ndata: 5\n\n'))
    const errors: SSEError[] = []
    expect(await until('onMessage', server, { onError: (error) => errors.push(error) })).toBe(5)
    expect(errors.map(({ code }) => code)).toEqual(['INVALID_MESSAGE'])
  })

  it('tells of control events, and of the error by which the server ends the stream', async () => {
    const server = await serve((_, response) =>
      open(
        response,
        'event: reset\ndata: {"a":1}\n\nevent: error\ndata: {"error":{"code":"SLOW_CONSUMER","message":"too slow"}}\n\n',
      ),
    )
    const control: unknown[] = []
    const error = await until('onError', server, { onControl: (...event) => control.push(event) })
    expect(error).toMatchObject({ name: 'SSEError', code: 'SLOW_CONSUMER', message: 'too slow' })
    expect(control).toEqual([['reset', { a: 1 }, '']])
  })

  it('goes through its states', async () => {
    const server = await serve((request, response, count) =>
      count === 2 ? response.writeHead(404).end() : BAD.openAndClose(request, response),
    )
    const states: ConnectionState[] = []
    const closed = new Promise<void>((resolve) => {
      void until('onMessage', server, {
        onState: (state) => {
          states.push(state)
          if (state.status === 'closed') resolve()
        },
      })
    })
    await closed
    const once = ['connecting', 'open', 'waiting']
    expect(states.map(({ status }) => status)).toEqual([...once, ...once, 'connecting', 'closed'])
    expect(states[2]).toMatchObject({ attempt: 1, retryAt: expect.any(Number) })
    expect(states.at(-1)).toMatchObject({ error: { status: 404 } })
  })

  it('calls nothing after it was closed, also in the middle of an event', async () => {
    const server = await serve(BAD.noContent)
    const calls: string[] = []
    const close = createSSEConnection({
      params: {},
      baseUrl: server.url,
      onMessage: () => calls.push('message'),
      onError: () => calls.push('error'),
      onState: ({ status }) => {
        calls.push(status)
        if (status === 'closed') close()
      },
    })
    await vi.waitFor(() => expect(calls).toContain('closed'))
    expect(calls).toEqual(['connecting', 'closed'])
  })

  it('reports what a callback throws, and goes on', async () => {
    const server = await serve((_, response) => open(response, 'data: 1\n\ndata: 2\n\n'))
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {})
    const seen: unknown[] = []
    const close = createSSEConnection({
      params: {},
      baseUrl: server.url,
      onMessage: (message) => {
        seen.push(message)
        throw new Error(`on ${message}`)
      },
    })
    cleanups.push(close)
    await vi.waitFor(() => expect(seen).toEqual([1, 2]))
    expect(reported).toHaveBeenCalledTimes(2)
    expect(server.requests).toHaveLength(1)
    reported.mockRestore()
  })

  it('renews the open stream with a fresh token before the last one expires', async () => {
    const pricewire = await new Pricewire().start()
    cleanups.push(() => pricewire.stop())
    const now = Date.now() / 1000
    const tokens = [2.2, 3600].map((life) => jwt({ iat: now, exp: now + life }))
    const expected = [...tokens]
    const states: string[] = []
    const close = createSSEConnection({
      baseUrl: pricewire.url,
      params: { topic: 'A' },
      token: async () => tokens.shift() ?? '',
      onMessage: () => {},
      onState: ({ status }) => states.push(status),
    })
    cleanups.push(close)
    await vi.waitFor(() => expect(pricewire.asked).toEqual(['GET A', 'PATCH']), 10_000)
    expect(pricewire.requests.map(({ headers }) => headers.authorization)).toEqual(
      expected.map((token) => `Bearer ${token}`),
    )
    expect(states).toEqual(['connecting', 'open'])
  })

  it.each([-2, 2])(
    'asks for few tokens where the clock is %i hours ahead',
    async (hours) => {
      const pricewire = await new Pricewire().start()
      cleanups.push(() => pricewire.stop())
      const { now } = Date
      vi.spyOn(Date, 'now').mockImplementation(() => now() + hours * 3_600_000)
      cleanups.push(() => vi.restoreAllMocks())
      const token = vi.fn(() => jwt({ iat: now() / 1000, exp: now() / 1000 + 3 }))
      const states: string[] = []
      const close = createSSEConnection({
        baseUrl: pricewire.url,
        params: { topic: 'A' },
        token,
        onMessage: () => {},
        onState: ({ status }) => states.push(status),
      })
      cleanups.push(close)
      // At half of each life the next one: two lives here.
      await vi.waitFor(() => expect(pricewire.asked).toEqual(['GET A', 'PATCH', 'PATCH']), 20_000)
      expect(token).toHaveBeenCalledTimes(3)
      expect(states).toEqual(['connecting', 'open'])
    },
    30_000,
  )

  it('asks for a slower pace where the network is slow', async () => {
    vi.stubGlobal('navigator', { connection: { saveData: true } })
    cleanups.push(() => vi.unstubAllGlobals())
    const server = await serve((_, response) => open(response, 'data: {}\n\n'))
    await until('onMessage', server, { params: { topic: 'A', interval_ms: 100 } })
    expect(server.query(0).get('interval_ms')).toBe('1000')
  })

  it('knows the type of a message from the parameters', () => {
    const type = <P extends SSEConnectionOptions['params']>(_: SSEConnectionOptions<P>) => {}
    type({
      params: { topic: ['ticks:R_100'] },
      onMessage: (message) => expectTypeOf(message).toEqualTypeOf<Envelope>(),
    })
    type({
      params: { action: 'instrument_price' as const, instrument_id: 'R_100' },
      onMessage: (message) => expectTypeOf(message).toEqualTypeOf<InstrumentPrice>(),
    })
  })
})
