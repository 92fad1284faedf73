import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Contract, Envelope } from '../../src/messages.js'
import { Multiplexer } from '../../src/multiplexer.js'
import { TopicStore } from '../../src/topic_store.js'
import { Pricewire } from '../pricewire.js'
import { BAD, open, TestServer } from '../server.js'

let server: Pricewire
let store: TopicStore

beforeEach(async () => {
  server = await new Pricewire().start()
  store = new TopicStore({ baseUrl: server.url, reconnectInterval: 1 })
})

afterEach(() => server.stop())

const seq = (topic: string) => store.topic(topic).envelope?.seq
const nothing = () => {}
/** Waits generously: where this runs it may be slow. */
const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 })

describe('TopicStore', () => {
  it('takes all subscriptions of one turn over one connection, and closes it with the last', async () => {
    const seen: (number | undefined)[] = []
    const ends = [
      store.subscribe('A', ({ envelope }) => seen.push(envelope?.seq)),
      store.subscribe('A', nothing),
      store.subscribe('B', nothing),
    ]
    await until(() => expect([seq('A'), seq('B')]).toEqual([1, 1]))
    expect(server.topics).toEqual([['A', 'B']])
    expect(store.state).toEqual({ status: 'open', isSilent: false })
    expect(store.received).toBe(2)
    expect(seen).toEqual([1])
    for (const end of ends) end()
    await until(() => expect(server.topics).toEqual([]))
    expect(store.state).toEqual({ status: 'closed' })
    expect(store.topic('A').envelope).toBeUndefined()
    expect(store.isUnused).toBe(true)
    expect(server.asked).toEqual(['GET A,B'])
  })

  it('gives the same state until there is news', async () => {
    const end = store.subscribe('A', nothing)
    await until(() => expect(seq('A')).toBe(1))
    const state = store.topic('A')
    expect(store.topic('A')).toBe(state)
    server.publish('A')
    await until(() => expect(seq('A')).toBe(2))
    expect(store.topic('A')).not.toBe(state)
    end()
  })

  it('changes the list of the open stream, all changes of a turn at once', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    const states: string[] = []
    const endStates = store.onState(({ status }) => states.push(status))
    ends[0]?.()
    ends.push(store.subscribe('B', nothing), store.subscribe('C', nothing))
    await until(() => expect([seq('B'), seq('C')]).toEqual([1, 1]))
    await until(() => expect(store.topic('A').envelope).toBeUndefined())
    expect(server.topics).toEqual([['B', 'C']])
    expect(server.asked).toEqual(['GET A', 'PATCH +B +C -A'])
    expect(states).toEqual(['open'])
    endStates()
    for (const end of ends) end()
  })

  it('changes what was changed meanwhile when the first change is through', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    ends.push(store.subscribe('B', nothing))
    await until(() => expect(server.asked).toHaveLength(2))
    ends.push(store.subscribe('C', nothing), store.subscribe('D', nothing))
    await until(() => expect([seq('B'), seq('C'), seq('D')]).toEqual([1, 1, 1]))
    expect(server.asked).toEqual(['GET A', 'PATCH +B', 'PATCH +C +D'])
    for (const end of ends) end()
  })

  it('resumes with all its topics', async () => {
    const seen: (number | undefined)[] = []
    const ends = [store.subscribe('A', ({ envelope }) => seen.push(envelope?.seq))]
    await until(() => expect(seq('A')).toBe(1))
    ends.push(store.subscribe('B', nothing))
    await until(() => expect(seq('B')).toBe(1))
    server.cut()
    await until(() => expect(server.topics).toEqual([]))
    server.publish('A')
    server.publish('A')
    await until(() => expect(seen).toEqual([1, 2, 3]))
    expect(server.asked.slice(2)).toEqual(['GET A,B after 2'])
    for (const end of ends) end()
  })

  it('resumes with what was confirmed, where it is cut between a change and its confirmation', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    server.isMute = true
    ends.push(store.subscribe('B', nothing))
    await until(() => expect(server.topics).toEqual([['A', 'B']]))
    server.isMute = false
    server.cut()
    await until(() => expect(seq('B')).toBe(1))
    expect(server.asked).toEqual(['GET A', 'PATCH +B', 'GET A after 1', 'PATCH +B'])
    for (const end of ends) end()
  })

  it('gives what comes of a new topic when the stream has confirmed it', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    server.isMute = true
    const seen: (number | undefined)[] = []
    ends.push(store.subscribe('B', ({ envelope }) => seen.push(envelope?.seq)))
    await until(() => expect(server.topics).toEqual([['A', 'B']]))
    server.publish('B')
    server.publish('A')
    await until(() => expect(seq('A')).toBe(2))
    expect(seen).toEqual([])
    server.write('event: changed\ndata: {"topics":["A","B"],"names":{}}\n\n')
    await until(() => expect(seen).toEqual([2]))
    for (const end of ends) end()
  })

  it('takes a topic that is left and taken again in one turn for unchanged', async () => {
    store.subscribe('A', nothing)()
    const end = store.subscribe('A', nothing)
    await until(() => expect(seq('A')).toBe(1))
    end()
    end() // once more is no harm
    const again = store.subscribe('A', nothing)
    await Promise.resolve()
    expect(seq('A')).toBe(1)
    expect(server.asked).toEqual(['GET A'])
    again()
  })

  it('gives the newest value of a topic that is taken again while it is being removed', async () => {
    const ends = [store.subscribe('A', nothing), store.subscribe('B', nothing)]
    await until(() => expect([seq('A'), seq('B')]).toEqual([1, 1]))
    ends[1]?.()
    await until(() => expect(server.asked).toHaveLength(2))
    ends.push(store.subscribe('B', nothing))
    server.publish('B')
    await until(() => expect(server.topics).toEqual([['A', 'B']]))
    await until(() => expect(seq('B')).toBe(2))
    for (const end of ends) end()
  })

  it.each([
    [undefined, ['A1', 'X1', '-X', '-X', 'X1']],
    [429, ['A1', 'X1', '-X', 'X1']],
  ])(
    'says at once that something may be missing of a topic that is taken again while it is being removed (%s)',
    async (status, expected) => {
      const told: string[] = []
      const link = new Multiplexer(
        { baseUrl: server.url, reconnectInterval: 1 },
        {
          onEnvelope: ({ subscription_id, seq }) => told.push(`${subscription_id}${seq}`),
          onDropped: (topic) => told.push(`-${topic}`),
          onStale: nothing,
          onRefused: nothing,
          onState: nothing,
          onError: nothing,
        },
      )
      link.want(['A', 'X'])
      await until(() => expect(told).toEqual(['A1', 'X1']))
      server.changeStatus = status
      link.want(['A'])
      link.want(['A', 'X'])
      expect(told).toEqual(['A1', 'X1', '-X'])
      await until(() => expect(server.asked).toContain('PATCH -X'))
      await until(() => expect(told).toEqual(expected))
      link.want([])
    },
  )

  it('has who takes a topic that is just being removed under another name wait for that', async () => {
    server.nameOf = (topic) => topic.replace('10.00', '10')
    const seen: unknown[] = []
    const ends = [store.subscribe('A', nothing), store.subscribe('q:10.00', ({ envelope }) => seen.push(envelope?.seq))]
    const leave = store.subscribe('q:10', nothing)
    await Promise.resolve()
    // Both are asked for, and the server has not said yet that they are one.
    leave()
    await until(() => expect(server.asked).toEqual(['GET A,q:10.00,q:10', 'PATCH -q:10', 'PATCH +q:10']))
    await until(() => expect(seq('q:10.00')).toBe(1))
    server.publish('q:10')
    await until(() => expect(seq('q:10.00')).toBe(2))
    expect(seen).toEqual([1, 2])
    for (const end of ends) end()
  })

  it('gives nothing twice of a topic that stays though it was being removed', async () => {
    const seen: unknown[] = []
    const ends = [store.subscribe('A', nothing)]
    const leave = store.subscribe('X', nothing)
    await until(() => expect([seq('A'), seq('X')]).toEqual([1, 1]))
    server.changeStatus = 429
    leave()
    await until(() => expect(server.asked).toEqual(['GET A,X', 'PATCH -X']))
    ends.push(store.subscribe('X', ({ envelope }) => seen.push(envelope?.seq)))
    await new Promise((resolve) => setTimeout(resolve, 100))
    server.publish('X')
    await until(() => expect(seen).toEqual([2]))
    expect(server.asked).toEqual(['GET A,X', 'PATCH -X'])
    for (const end of ends) end()
  })

  it('fails only the topic that is refused, however many are asked for', async () => {
    server.unknown.add('BAD')
    const names = Array.from({ length: 40 }, (_, index) => `T${index}`)
    const errors = vi.fn()
    const endErrors = store.onError(errors)
    const ends = [...names.slice(0, 17), 'BAD', ...names.slice(17)].map((name) => store.subscribe(name, nothing))
    await until(() => expect(names.map(seq)).toEqual(names.map(() => 1)))
    await until(() =>
      expect(store.topic('BAD').error).toMatchObject({ status: 404, code: 'NOT_FOUND', message: 'there is no BAD' }),
    )
    expect(store.state.status).toBe('open')
    expect(errors).toHaveBeenCalledTimes(1)
    expect(server.asked.length).toBeLessThan(20)
    endErrors()
    for (const end of ends) end()
  })

  it('asks for fewer topics at first where one address cannot name them all', async () => {
    server.longest = 20
    const names = Array.from({ length: 50 }, (_, index) => `T${index}`)
    const ends = names.map((name) => store.subscribe(name, nothing))
    await until(() => expect(names.map(seq)).toEqual(names.map(() => 1)))
    expect(server.topics).toEqual([names])
    for (const end of ends) end()
  })

  it('fails a refused topic of an open stream, and asks for it again when told to', async () => {
    server.unknown.add('BAD')
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    ends.push(store.subscribe('BAD', nothing))
    await until(() => expect(store.topic('BAD').error?.status).toBe(404))
    expect(store.state.status).toBe('open')
    expect(server.asked).toEqual(['GET A', 'PATCH +BAD', 'PATCH'])
    server.unknown.clear()
    store.reconnect()
    expect(store.topic('BAD').error).toBeUndefined()
    await until(() => expect(seq('BAD')).toBe(1))
    for (const end of ends) end()
  })

  it('ends where all topics are refused', async () => {
    server.unknown.add('BAD')
    const errors = vi.fn()
    store.onError(errors)
    const end = store.subscribe('BAD', nothing)
    await until(() => expect(store.state).toMatchObject({ status: 'closed', error: { status: 404 } }))
    expect(store.topic('BAD').error?.status).toBe(404)
    expect(errors).toHaveBeenCalledTimes(1)
    const other = store.subscribe('A', nothing)
    await until(() => expect(seq('A')).toBe(1))
    end()
    other()
  })

  it.each([
    [405, ['PATCH']],
    [501, ['PATCH']],
    // Perhaps it was made: it is asked for twice what the stream carries, and then again on another one.
    [500, ['PATCH', 'PATCH'], ['GET A after 1', 'PATCH +B', 'PATCH', 'PATCH']],
  ])('reconnects with the new list where changes are answered with %i', async (status, questions, again = []) => {
    server.changeStatus = status
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    ends.push(store.subscribe('B', nothing))
    await until(() => expect([seq('A'), seq('B')]).toEqual([1, 1]))
    await until(() => expect(server.topics).toEqual([['A', 'B']]))
    ends.push(store.subscribe('C', nothing))
    await until(() => expect(seq('C')).toBe(1))
    expect(server.asked).toEqual([
      'GET A',
      'PATCH +B',
      ...questions,
      ...again,
      'GET A,B',
      'PATCH +C',
      ...questions,
      'GET A,B,C',
    ])
    for (const end of ends) end()
  })

  it('goes on changing after a change that failed', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    server.changeStatus = 500
    ends.push(store.subscribe('B', nothing))
    await until(() => expect(server.asked).toHaveLength(2))
    server.changeStatus = undefined
    await until(() => expect(seq('B')).toBe(1))
    ends.push(store.subscribe('C', nothing))
    await until(() => expect(seq('C')).toBe(1))
    expect(server.asked.filter((request) => request.startsWith('GET'))).toEqual(['GET A'])
    for (const end of ends) end()
  })

  it('serves a topic that the server has another name for, and asks for it a few times', async () => {
    server.nameOf = (topic) => topic.replace('10.00', '10')
    const ends = [store.subscribe('A', nothing), store.subscribe('q:X:10.00:1', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    await until(() => expect(store.topic('q:X:10.00:1').envelope?.seq).toBe(1))
    ends.push(store.subscribe('r:X:10.00:1', nothing))
    await until(() => expect(seq('r:X:10.00:1')).toBe(1))
    server.publish('r:X:10:1')
    await until(() => expect(seq('r:X:10.00:1')).toBe(2))
    expect(server.asked).toEqual(['GET A,q:X:10.00:1', 'PATCH +r:X:10.00:1'])
    ends[1]?.()
    await until(() => expect(server.topics).toEqual([['A', 'r:X:10:1']]))
    expect(seq('q:X:10.00:1')).toBeUndefined()
    for (const end of ends) end()
  })

  it.each([
    ['q:10.00', 'q:10'],
    ['q:10', 'q:10.00'],
    ['q:10.0', 'q:10.00'],
  ])('gives the current value to who takes %s again while %s, the same topic, goes on', async (name, other) => {
    server.nameOf = (topic) => topic.replace(/\.0+$/, '')
    const seen: unknown[] = []
    const take = () => store.subscribe(name, ({ envelope }) => seen.push(envelope?.seq))
    const ends = [store.subscribe(other, nothing), store.subscribe('A', nothing)]
    const leave = take()
    await until(() => expect([seq(name), seq(other), seq('A')]).toEqual([1, 1, 1]))
    leave()
    server.publish('q:10')
    await until(() => expect(seq(other)).toBe(2))
    expect(seq(name)).toBeUndefined()
    ends.push(take())
    await until(() => expect(seq(name)).toBe(2))
    server.publish('q:10')
    await until(() => expect([seq(name), seq(other)]).toEqual([3, 3]))
    expect(seen).toEqual([1, 2, 3])
    expect(server.asked).toHaveLength(1)
    for (const end of ends) end()
  })

  it('knows the current values of a topic: of contracts the newest of each that is open, by whatever name', async () => {
    server.nameOf = (topic) => topic.replace('ME', 'me')
    const current = (topic: string) =>
      store.current(topic).map(({ data, seq }) => [(data as Contract).contract_id, seq])
    const write = (seq: number, event: string, contract_id: string) =>
      server.write(
        `data: ${JSON.stringify({ event, subscription_id: 'contracts:me', seq, data: { contract_id } })}\n\n`,
      )
    expect(store.current('contracts:me')).toEqual([])
    const seen: unknown[] = []
    const ends = [store.subscribe('contracts:me', nothing)]
    await until(() => expect(seq('contracts:me')).toBe(1))
    write(2, 'contract_opened', 'a')
    write(3, 'contract_updated', 'b')
    write(4, 'contract_updated', 'c')
    write(5, 'contract_updated', 'a')
    write(6, 'contract_sold', 'b')
    write(7, 'contract_settled', 'c')
    write(8, 'contract_updated', 'd')
    await until(() => expect(seq('contracts:me')).toBe(8))
    const open = [
      [undefined, 1],
      ['a', 5],
      ['d', 8],
    ]
    expect(current('contracts:me')).toEqual(open)
    ends.push(store.subscribe('contracts:ME', ({ envelope }) => seen.push(envelope?.seq)))
    await until(() => expect(seen).toEqual([1, 5, 8]))
    expect(current('contracts:ME')).toEqual(open)
    expect(store.current('contracts:ME').every((each) => each.subscription_id === 'contracts:ME')).toBe(true)
    for (const end of ends) end()
    await until(() => expect(server.topics).toEqual([]))
    expect(store.current('contracts:me')).toEqual([])
  })

  it('waits no longer than 10 s for the answer to a change', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    server.isSilent = true
    ends.push(store.subscribe('B', nothing))
    await new Promise<void>((resolve) => {
      const check = () => (server.asked.length < 2 ? setImmediate(check) : resolve())
      check()
    })
    server.isSilent = false
    ends.push(store.subscribe('C', nothing))
    await vi.advanceTimersByTimeAsync(10_000)
    vi.useRealTimers()
    await until(() => expect([seq('B'), seq('C')]).toEqual([1, 1]))
    for (const end of ends) end()
  })

  it('reconnects with the new list where streams have no names', async () => {
    const plain = await new TestServer((_, response, count) =>
      open(
        response,
        plain
          .query(count)
          .getAll('topic')
          .map((topic) => `data: ${JSON.stringify({ subscription_id: topic, seq: count })}\n\n`)
          .join(''),
      ),
    ).start()
    const own = new TopicStore({ baseUrl: plain.url })
    const ends = [own.subscribe('A', nothing)]
    await until(() => expect(own.topic('A').envelope?.seq).toBe(0))
    ends.push(own.subscribe('B', nothing))
    await until(() => expect(own.topic('B').envelope?.seq).toBe(1))
    expect(plain.requests).toHaveLength(2)
    for (const end of ends) end()
    await plain.stop()
  })

  it('asks again where the stream is gone by the time it is to be changed', async () => {
    const ends = [store.subscribe('A', nothing)]
    await until(() => expect(seq('A')).toBe(1))
    const stream = server.streams[0]
    server.streams.length = 0 // as a proxy would have it that keeps the connection open
    ends.push(store.subscribe('B', nothing))
    await until(() => expect([seq('A'), seq('B')]).toEqual([1, 1]))
    expect(store.topic('B').error).toBeUndefined()
    for (const end of ends) end()
    stream?.response.destroy()
  })

  it('counts listeners that are the same function', async () => {
    const seen = vi.fn()
    const ends = [store.subscribe('A', seen), store.subscribe('A', seen)]
    ends[0]?.()
    await until(() => expect(seen).toHaveBeenCalledTimes(1))
    ends[1]?.()
  })

  it('marks topics that the server says are stale, until their next event', async () => {
    const end = store.subscribe('A', nothing)
    await until(() => expect(seq('A')).toBe(1))
    server.write('event: stale\ndata: {"topic":"A","since_epoch_ms":"1"}\n\n')
    await until(() => expect(store.topic('A')).toMatchObject({ isStale: true, envelope: { seq: 1 } }))
    server.publish('A')
    await until(() => expect(store.topic('A')).toMatchObject({ isStale: false, envelope: { seq: 2 } }))
    end()
  })

  it('tells why it is closed, and connects again when it is told to', async () => {
    const bad = await new TestServer(BAD.noContent).start()
    const own = new TopicStore({ baseUrl: bad.url })
    const errors = vi.fn()
    own.onError(errors)
    const end = own.subscribe('A', nothing)
    await until(() => expect(own.state).toMatchObject({ status: 'closed', error: { status: 204 } }))
    expect(errors).toHaveBeenCalledTimes(1)
    bad.handler = (_, response) => open(response, 'data: {"subscription_id":"A","seq":7}\n\n')
    own.reconnect()
    await until(() => expect(own.topic('A').envelope?.seq).toBe(7))
    end()
    await bad.stop()
  })

  it('gives a listener that is slow the newest events instead of old ones, and says which these replace', async () => {
    const seen: Envelope[] = []
    const end = store.subscribe('A', ({ envelope }) => {
      const from = performance.now()
      while (performance.now() - from < 5);
      if (envelope !== undefined) seen.push(envelope)
    })
    await until(() => expect(seen).toHaveLength(1))
    for (let count = 2; count <= 1000; count += 1) server.publish('A')
    await until(() => expect(seen.at(-1)?.seq).toBe(1000))
    expect(seen.length).toBeLessThan(300)
    let last = 0
    for (const { seq, merged = 0 } of seen) {
      expect(seq).toBe(last + 1 + merged)
      last = seq
    }
    end()
  })

  it('gives a listener that is fast every event', async () => {
    const seen: number[] = []
    const end = store.subscribe('A', ({ envelope }) => seen.push(envelope?.seq ?? 0))
    await until(() => expect(seen).toHaveLength(1))
    for (let count = 2; count <= 5000; count += 1) server.publish('A')
    await until(() => expect(seen).toHaveLength(5000))
    end()
  })

  it('does not wait on where the page comes back to its user, and asks as the server allows', async () => {
    const page = Object.assign(new EventTarget(), { hidden: false })
    vi.spyOn(Math, 'random').mockReturnValue(0.9)
    const patient = new TopicStore({ baseUrl: server.url, reconnectInterval: 3_600_000, visibility: page })
    const end = patient.subscribe('A', nothing)
    await until(() => expect(patient.topic('A').envelope?.seq).toBe(1))
    server.cut()
    await until(() => expect(patient.state.status).toBe('waiting'))
    server.publish('A')
    page.dispatchEvent(new Event('visibilitychange'))
    await until(() => expect(patient.topic('A').envelope?.seq).toBe(2))
    expect(server.asked).toEqual(['GET A', 'GET A after 1'])
    end()
    vi.restoreAllMocks()
  })

  it('comes back after a server that was stopped', async () => {
    const patient = new TopicStore({
      baseUrl: server.url,
      reconnectInterval: 1,
      reconnectAttempts: Number.POSITIVE_INFINITY,
    })
    const end = patient.subscribe('A', nothing)
    await until(() => expect(patient.state.status).toBe('open'))
    await server.stop()
    await until(() => expect(patient.state.status).toBe('waiting'))
    await server.start()
    await until(() => expect(patient.state.status).toBe('open'))
    end()
  })
})
