import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CustomEventSource, type CustomEventSourceInit, type SourceErrorEvent } from '../../src/event_source.js'
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

const QUICK = { interval: 1, floor: 1 }

function connect(url: string, init: CustomEventSourceInit = {}): CustomEventSource {
  const source = new CustomEventSource(url, { reconnect: QUICK, ...init })
  cleanups.push(() => source.close())
  return source
}

/** Resolves with so many events of a type. */
function events<E extends Event = MessageEvent>(source: EventTarget, type: string, count: number): Promise<E[]> {
  const seen: E[] = []
  return new Promise((resolve) =>
    source.addEventListener(type, (event) => {
      if (seen.push(event as E) === count) resolve(seen)
    }),
  )
}

const first = async <E extends Event = MessageEvent>(source: EventTarget, type: string): Promise<E> =>
  (await events<E>(source, type, 1))[0] as E

describe('CustomEventSource', () => {
  it('is an EventSource', async () => {
    const server = await serve((_, response) => open(response, 'id: 7\nevent: add\ndata: 1\n\ndata: 2\n\n'))
    const source: EventSource = connect(`${server.url}/a?b=c`, { withCredentials: true })
    expect(source).toMatchObject({ readyState: 0, CONNECTING: 0, OPEN: 1, CLOSED: 2, withCredentials: true })
    expect(source.url).toBe(`${server.url}/a?b=c`)
    const seen: unknown[] = []
    source.onopen = (event) => seen.push([event.type, source.readyState])
    source.addEventListener('add', ({ data, lastEventId }) => seen.push([data, lastEventId]))
    source.onmessage = () => seen.push('a handler that is replaced')
    const message = await new Promise<MessageEvent>((resolve) => {
      source.onmessage = resolve
    })
    expect(seen).toEqual([
      ['open', 1],
      ['1', '7'],
    ])
    expect(message).toMatchObject({ data: '2', lastEventId: '7', origin: server.url })
    source.close()
    expect(source.readyState).toBe(CustomEventSource.CLOSED)
  })

  it('sends the headers of the standard, and those that it was given', async () => {
    const server = await serve((_, response) => open(response, 'data: x\n\n'))
    await first(connect(server.url, { headers: { Authorization: 'Bearer t' }, lastEventId: 'é-1' }), 'message')
    expect(server.requests[0]?.headers).toMatchObject({
      accept: 'text/event-stream',
      authorization: 'Bearer t',
      'cache-control': 'no-cache',
      'last-event-id': Buffer.from('é-1').toString('latin1'),
    })
  })

  it('sends an id of any length, and leaves it to the server to refuse it', async () => {
    const server = await serve((_, response) => open(response, 'data: x\n\n'))
    const source = connect(server.url, { lastEventId: 'x'.repeat(200_000) })
    expect(await first<SourceErrorEvent>(source, 'error')).toMatchObject({ status: 431, retryAt: undefined })
  })

  it('asks for its headers at every connection', async () => {
    const server = await serve(BAD.cutMidEvent)
    let asked = 0
    await events(connect(server.url, { headers: async () => ({ 'X-Count': String(++asked) }) }), 'message', 2)
    expect(server.requests.map(({ headers }) => headers['x-count'])).toEqual(['1', '2'])
  })

  it('drops an event that was cut off, and asks for it again', async () => {
    const server = await serve(BAD.cutMidEvent)
    const source = connect(server.url)
    const error = first<SourceErrorEvent>(source, 'error')
    const messages = await events(source, 'message', 2)
    expect(messages.map(({ data }) => data)).toEqual(['whole', 'half'])
    expect(server.requests.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '1'])
    expect((await error).retryAt).toBeGreaterThan(0)
  })

  it('ends at any status but 200, as the standard says', async () => {
    const server = await serve(BAD.failOnce)
    const source = connect(server.url)
    const error = await first<SourceErrorEvent>(source, 'error')
    expect(error).toMatchObject({ status: 503, code: 'SERVER_DRAINING', message: 'coming back', retryAt: undefined })
    expect(source.readyState).toBe(source.CLOSED)
  })

  it('comes back after a passing status where it is told to', async () => {
    const server = await serve(BAD.failOnce)
    expect((await first(connect(server.url, { retryStatuses: true }), 'message')).data).toBe('ok')
  })

  it('honours Retry-After', async () => {
    const server = await serve((_, response) => response.writeHead(429, { 'Retry-After': '7' }).end())
    const source = connect(server.url, { retryStatuses: true })
    const { retryAt = 0 } = await first<SourceErrorEvent>(source, 'error')
    expect(retryAt - Date.now()).toBeGreaterThan(6000)
  })

  it('does not wait for an error body that never ends', async () => {
    const server = await serve(BAD.endlessError)
    expect(await first(connect(server.url), 'error')).toMatchObject({ status: 500 })
  })

  it.each([
    [BAD.noContent, 204, 'the server answered 204 No Content'],
    [BAD.wrongType, 200, 'the server sent text/html instead of text/event-stream'],
  ])('ends at %o', async (handler, status, message) => {
    const server = await serve(handler)
    const source = connect(server.url, { retryStatuses: true })
    expect(await first(source, 'error')).toMatchObject({ status, message, retryAt: undefined })
    expect(source.readyState).toBe(source.CLOSED)
  })

  it.each(['text/event-stream;charset=utf-8', 'Text/Event-Stream ; x=y'])('takes the content type %s', async (type) => {
    const server = await serve((_, response) => open(response, 'data: x\n\n', { 'Content-Type': type }))
    await first(connect(server.url), 'message')
  })

  it('lets the server lower the wait no further than the floor', async () => {
    const server = await serve(BAD.retryZero)
    const source = connect(server.url, { reconnect: { interval: 0, floor: 40 } })
    const started = Date.now()
    await events(source, 'message', 4)
    expect(Date.now() - started).toBeGreaterThanOrEqual(3 * 40 - 5)
  })

  it('gives up after the attempts where a stream opens and brings nothing', async () => {
    const server = await serve(BAD.openAndClose)
    const errors = await events<SourceErrorEvent>(connect(server.url), 'error', 4)
    expect(errors.map(({ retryAt }) => retryAt === undefined)).toEqual([false, false, false, true])
    expect(server.requests).toHaveLength(4)
  })

  it('counts the attempts anew after an event, but not after an error event', async () => {
    const server = await serve((_, response, count) => {
      open(response, count < 10 ? 'data: x\n\n' : 'event: error\ndata: {}\n\n')
      response.end()
    })
    const source = connect(server.url)
    await new Promise<void>((resolve) =>
      source.addEventListener('error', () => source.readyState === source.CLOSED && resolve()),
    )
    expect(server.requests).toHaveLength(10 + 3)
  })

  it('comes back when nobody listens, and says that it is connecting', async () => {
    const server = await serve(BAD.noContent)
    await server.stop()
    const source = connect(server.url, { reconnect: { ...QUICK, attempts: Number.POSITIVE_INFINITY } })
    await events(source, 'connecting', 3)
    expect(source.readyState).toBe(source.CONNECTING)
  })

  it('notices a silent server in two stages', async () => {
    const server = await serve(BAD.silent)
    const source = connect(server.url)
    await first(source, 'silence')
    expect(source.isSilent).toBe(true)
    expect((await first<SourceErrorEvent>(source, 'error')).message).toMatch(/silent/)
    await server.requested(2)
  })

  it('gives up a response that does not begin', async () => {
    const server = await serve((_, response, count) => {
      if (count > 0) open(response, 'data: x\n\n')
    })
    await first(connect(server.url, { idleTimeout: 30 }), 'message')
    expect(server.requests).toHaveLength(2)
  })

  it('takes a comment for a sign of life', async () => {
    const server = await serve((_, response) => {
      // Long enough for a busy machine to come to each comment in time.
      open(response, '', { 'Pricewire-Heartbeat': '1' })
      const timer = setInterval(() => response.write(':\n'), 200)
      response.on('close', () => clearInterval(timer))
      setTimeout(() => response.write('data: done\n\n'), 4000)
    })
    const source = connect(server.url)
    source.addEventListener('silence', () => expect.unreachable())
    await first(source, 'message')
    expect(server.requests).toHaveLength(1)
  })

  it('delivers nothing after close, not even what has been received', async () => {
    let closed: (() => void) | undefined
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve
    })
    const server = await serve((_, response) => {
      open(response, 'data: 1\n\ndata: 2\n\ndata: 3\n\n')
      response.on('close', () => closed?.())
    })
    const source = connect(server.url)
    const seen: string[] = []
    source.onerror = () => seen.push('error')
    source.onmessage = ({ data }) => {
      seen.push(data)
      source.close()
    }
    await isClosed
    expect(seen).toEqual(['1'])
    expect(source.lastEventId).toBe('')
  })

  it('ends at once at an event beyond the limit, and does not ask for it again', async () => {
    let closed: (() => void) | undefined
    const isClosed = new Promise<void>((resolve) => {
      closed = resolve
    })
    const server = await serve((_, response) => {
      open(response, `id: 1\ndata: small\n\nid: 2\ndata: ${'x'.repeat(100)}`)
      response.on('close', () => closed?.())
    })
    const source = connect(server.url, { maxEventSize: 50, retryStatuses: true })
    const seen = events(source, 'message', 1)
    expect(await first<SourceErrorEvent>(source, 'error')).toMatchObject({
      code: 'EVENT_TOO_LARGE',
      message: 'an event of 107 bytes exceeds the limit of 50 bytes',
      retryAt: undefined,
    })
    expect(source).toMatchObject({ readyState: source.CLOSED, lastEventId: '1' })
    expect((await seen)[0]?.data).toBe('small')
    await isClosed
    expect(server.requests).toHaveLength(1)
  })

  it('makes no further attempt when it is closed in the error handler', async () => {
    const server = await serve(BAD.openAndClose)
    const source = connect(server.url)
    source.onerror = () => source.close()
    await first(source, 'error')
    await new Promise((resolve) => setTimeout(resolve, 30)) // nothing to wait for where nothing may happen
    expect(server.requests).toHaveLength(1)
  })

  it('sends a method and a body, at every connection', async () => {
    const bodies: string[] = []
    const server = await serve(async (request, response, count) => {
      bodies.push(`${request.method} ${await text(request)}`)
      BAD.cutMidEvent(request, response, count)
    })
    await events(connect(server.url, { method: 'POST', body: '{"prompt":1}' }), 'message', 2)
    expect(bodies).toEqual(['POST {"prompt":1}', 'POST {"prompt":1}'])
  })

  it('asks for another token where one is refused, once', async () => {
    let count = 0
    const token = async () => `t${++count}`
    const server = await serve((request, response) => {
      if (request.headers.authorization === 'Bearer t2') open(response, 'data: x\n\n')
      else response.writeHead(401).end()
    })
    await first(connect(server.url, { token }), 'message')
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2'])

    server.requests.length = 0
    const source = connect(server.url, { token, retryStatuses: true })
    expect(await first(source, 'error')).toMatchObject({ status: 401, retryAt: undefined })
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer t3', 'Bearer t4'])
  })

  it('ends at 401 where there is one token only', async () => {
    const server = await serve((_, response) => response.writeHead(401).end())
    expect(await first(connect(server.url, { token: 't' }), 'error')).toMatchObject({ status: 401 })
    expect(server.requests).toHaveLength(1)
  })

  it('resumes with a fresh token after TOKEN_EXPIRED', async () => {
    let count = 0
    const expired = 'event: error\ndata: {"error":{"code":"TOKEN_EXPIRED","message":"it has expired"}}\n\n'
    const server = await serve((_, response, index) => {
      open(response, index === 0 ? `id: 5\ndata: x\n\n${expired}` : 'data: y\n\n')
      if (index === 0) response.end()
    })
    await events(connect(server.url, { token: () => `t${++count}`, reconnect: { interval: 60_000 } }), 'message', 2)
    expect(server.requests.map(({ headers }) => [headers.authorization, headers['last-event-id']])).toEqual([
      ['Bearer t1', undefined],
      ['Bearer t2', '5'],
    ])
  })

  it('looks at the code of an end, not at its message', async () => {
    let count = 0
    const draining = 'event: error\ndata: {"error":{"code":"SERVER_DRAINING","message":"TOKEN_EXPIRED"}}\n\n'
    const odd = 'event: error\ndata: null\n\nevent: error\ndata: "TOKEN_EXPIRED"\n\n'
    const server = await serve((_, response, index) => {
      open(response, index === 0 ? `data: x\n\n${draining}${odd}` : 'data: y\n\n')
      if (index === 0) response.end()
    })
    await events(connect(server.url, { token: () => `t${++count}`, reconnect: { interval: 1 } }), 'message', 2)
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t1'])
  })

  it('tries again where a token cannot be had', async () => {
    let count = 0
    const token = () => {
      count += 1
      if (count === 1) throw new Error('not now')
      return 't'
    }
    const server = await serve((_, response) => open(response, 'data: x\n\n'))
    const source = connect(server.url, { token })
    const error = first<SourceErrorEvent>(source, 'error')
    await first(source, 'message')
    expect((await error).message).toMatch(/not now/)
  })

  it('takes handlers as Web IDL has it', async () => {
    const server = await serve((_, response) => open(response, 'data: x\n\n'))
    const source = connect(server.url)
    const seen: string[] = []
    source.onmessage = () => seen.push('first')
    source.addEventListener('message', () => seen.push('second'))
    source.onmessage = () => seen.push('replaced, in its place')
    source.onerror = 7 as unknown as null
    expect(source.onerror).toBeNull()
    const object = {} as unknown as () => void
    source.onopen = object
    expect(source.onopen).toBe(object)
    await first(source, 'message')
    expect(seen).toEqual(['replaced, in its place', 'second'])
    expect(CustomEventSource.prototype).toMatchObject({ CONNECTING: 0, OPEN: 1, CLOSED: 2 })
  })

  it('refuses what is no URL', () => {
    expect(() => new CustomEventSource('http://[')).toThrow(expect.objectContaining({ name: 'SyntaxError' }))
  })

  it.each<[string, CustomEventSourceInit, RegExp]>([
    ['ftp://127.0.0.1/stream', {}, /^this URL cannot be fetched$/],
    ['about:blank', {}, /^this URL/],
    ['http://user:secret@127.0.0.1:1/', {}, /^this URL cannot be fetched$/],
    ['http://127.0.0.1:1/', { method: 'TRACE' }, /TypeError/],
    ['http://127.0.0.1:1/', { body: 'of a GET' }, /TypeError/],
  ])('fails at once where no request can ever be made: %s %o', async (url, init, message) => {
    const source = connect(url, init)
    expect(source.readyState).toBe(source.CONNECTING)
    const error = await first<SourceErrorEvent>(source, 'error')
    expect(error.message).toMatch(message)
    expect(error.message).not.toMatch('secret')
    expect(error.retryAt).toBeUndefined()
    expect(source.readyState).toBe(source.CLOSED)
  })

  it('is woken while it waits, but no earlier than the server asks for, and not at another time', async () => {
    const server = await serve((_, response, count) => {
      if (count < 2) response.writeHead(503, count === 0 ? {} : { 'Retry-After': '3600' }).end()
      else open(response)
    })
    const source = connect(server.url, { retryStatuses: true, reconnect: { interval: 3_600_000, ceiling: 3_600_000 } })
    source.wake() // nothing is waited for
    // By chance the wait would be short.
    vi.spyOn(Math, 'random').mockReturnValue(0.9)
    cleanups.push(() => vi.restoreAllMocks())
    const lost = await first<SourceErrorEvent>(source, 'error')
    expect((lost.retryAt ?? 0) - Date.now()).toBeGreaterThan(3_000_000)
    source.wake()
    source.wake() // twice is once
    await first(source, 'error')
    expect(server.requests).toHaveLength(2)
    source.wake() // after an hour, as the server asks
    source.close()
    source.wake()
    expect(source.readyState).toBe(source.CLOSED)
  })

  it('says that it may be the permission, where a page cannot know', async () => {
    const dead = { url: 'http://127.0.0.1:1' } // a port that is never fetched from
    const said = async (url: string, origin: string | undefined, init: CustomEventSourceInit = {}) => {
      vi.stubGlobal('location', origin && { origin, protocol: new URL(origin).protocol })
      const { message } = await first<SourceErrorEvent>(connect(url, init), 'error')
      vi.unstubAllGlobals()
      return message
    }
    expect(await said(dead.url, 'https://app.example')).toMatch(
      /^the server cannot be reached or refuses https:\/\/app\.example \(CORS\) \(TypeError/,
    )
    expect(await said(dead.url, dead.url)).toMatch(/^the server cannot be reached \(TypeError/)
    expect(await said(dead.url, undefined)).toMatch(/^the server cannot be reached \(TypeError/)
    const token = async () => Promise.reject(new TypeError('no session'))
    expect(await said(dead.url, 'https://app.example', { token })).toBe(
      'the request cannot be made (TypeError: no session)',
    )
  })

  it('does not suspect the permission where there was a stream before', async () => {
    const server = await serve((_, response, count) => (count === 0 ? open(response, 'data: x\n\n') : undefined))
    vi.stubGlobal('location', { origin: 'https://app.example', protocol: 'https:' })
    cleanups.push(() => vi.unstubAllGlobals())
    const source = connect(server.url, { reconnect: { attempts: 1, interval: 1, floor: 1 } })
    await first(source, 'message')
    const errors = events<SourceErrorEvent>(source, 'error', 2)
    await server.stop()
    expect((await errors).map(({ message }) => message.replace(/ \(.*/, ''))).toEqual([
      'the connection broke off',
      'the server cannot be reached',
    ])
  })

  it('says where to look where a response does not stream', async () => {
    const fetch = async () =>
      ({ status: 200, headers: new Headers({ 'Content-Type': 'text/event-stream' }) }) as Response
    const error = await first<SourceErrorEvent>(connect('http://127.0.0.1:1/', { fetch }), 'error')
    expect(error).toMatchObject({ message: expect.stringMatching('pricewire/react-native'), retryAt: undefined })
  })

  it('reads what a page has made by itself', async () => {
    const url = URL.createObjectURL(new Blob(['data: a\n\n'], { type: 'text/event-stream' }))
    cleanups.push(() => URL.revokeObjectURL(url))
    expect((await first(connect(url), 'message')).data).toBe('a')
    expect((await first(connect('data:text/event-stream,data: b%0A%0A'), 'message')).data).toBe('b')
  })

  it('runs the shared vectors over a real connection', async () => {
    const file = new URL('../../../tests/vectors/event_stream.json', import.meta.url)
    const vectors: { name: string; input: string; events: unknown[]; last_event_id: string }[] = JSON.parse(
      readFileSync(file, 'utf8'),
    )
    const server = await serve((request, response) => {
      const vector = vectors[Number(request.url?.slice(1))]
      open(response)
      response.end(Buffer.from(vector?.input ?? '', 'latin1'))
    })
    for (const [index, vector] of vectors.entries()) {
      const source = connect(`${server.url}/${index}`, { reconnect: { attempts: 0 } })
      const seen: unknown[] = []
      for (const type of new Set(['message', ...vector.events.map((event) => (event as { type: string }).type)])) {
        source.addEventListener(type, ({ data, lastEventId }: MessageEvent) => {
          seen.push({ type, data, last_event_id: lastEventId })
        })
      }
      await new Promise<void>((resolve) =>
        source.addEventListener('error', () => source.readyState === source.CLOSED && resolve()),
      )
      expect({ events: seen, last_event_id: source.lastEventId }, vector.name).toEqual({
        events: vector.events,
        last_event_id: vector.last_event_id,
      })
    }
  })
})
