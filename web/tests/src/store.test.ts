import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { sharedStore, TopicStore } from '../../src/store.js'
import { BAD, open, TestServer } from '../server.js'

/** A server that sends the first event of each topic, and then whatever it is told to. */
let server: TestServer
let store: TopicStore
let streams: { topics: string[]; write: (text: string) => void; isOpen: boolean }[]

beforeEach(async () => {
  streams = []
  server = await new TestServer((_, response, count) => {
    const topics = server.query(count).getAll('topic')
    const stream = { topics, write: (text: string) => response.write(text), isOpen: true }
    response.on('close', () => {
      stream.isOpen = false
    })
    streams.push(stream)
    open(response, topics.map((topic) => tick(topic, 1)).join(''))
  }).start()
  store = new TopicStore({ baseUrl: server.url, reconnectInterval: 1 })
})

afterEach(() => server.stop())

const tick = (topic: string, seq: number) =>
  `data: ${JSON.stringify({ event: 'tick', subscription_id: topic, seq, data: {} })}\n\n`
const seq = (topic: string) => store.topic(topic).envelope?.seq
const openStreams = () => streams.filter(({ isOpen }) => isOpen).map(({ topics }) => topics)
const nothing = () => {}

describe('TopicStore', () => {
  it('takes all subscriptions of one turn over one connection, and closes it with the last', async () => {
    const seen: (number | undefined)[] = []
    const ends = [
      store.subscribe('ticks:A', ({ envelope }) => seen.push(envelope?.seq)),
      store.subscribe('ticks:A', nothing),
      store.subscribe('ticks:B', nothing),
    ]
    await vi.waitFor(() => expect([seq('ticks:A'), seq('ticks:B')]).toEqual([1, 1]))
    expect(openStreams()).toEqual([['ticks:A', 'ticks:B']])
    expect(store.state).toEqual({ status: 'open', isSilent: false })
    expect(store.received).toBe(2)
    expect(seen).toEqual([1])
    for (const end of ends) end()
    await vi.waitFor(() => expect(openStreams()).toEqual([]))
    expect(store.state).toEqual({ status: 'closed' })
    expect(store.topic('ticks:A').envelope).toBeUndefined()
    expect(server.requests).toHaveLength(1)
  })

  it('gives the same state until there is news', async () => {
    const end = store.subscribe('ticks:A', nothing)
    await vi.waitFor(() => expect(seq('ticks:A')).toBe(1))
    const state = store.topic('ticks:A')
    expect(store.topic('ticks:A')).toBe(state)
    streams[0]?.write(tick('ticks:A', 2))
    await vi.waitFor(() => expect(seq('ticks:A')).toBe(2))
    expect(store.topic('ticks:A')).not.toBe(state)
    end()
  })

  it('changes the list without a moment when no stream is open', async () => {
    const ends = [store.subscribe('ticks:A', nothing)]
    await vi.waitFor(() => expect(store.state.status).toBe('open'))
    const states: string[] = []
    const endStates = store.onState(({ status }) => states.push(status))
    ends.push(store.subscribe('ticks:B', nothing))
    await vi.waitFor(() => expect(openStreams()).toEqual([['ticks:A', 'ticks:B']]))
    expect(seq('ticks:B')).toBe(1)
    expect(server.requests[1]?.headers['last-event-id']).toBeUndefined()
    expect(new Set(states)).toEqual(new Set(['open']))
    endStates()
    for (const end of ends) end()
  })

  it('takes a topic that is left and taken again in one turn for unchanged', async () => {
    store.subscribe('ticks:A', nothing)()
    const end = store.subscribe('ticks:A', nothing)
    await vi.waitFor(() => expect(seq('ticks:A')).toBe(1))
    end()
    end() // once more is no harm
    const again = store.subscribe('ticks:A', nothing)
    await Promise.resolve()
    expect(seq('ticks:A')).toBe(1)
    expect(server.requests).toHaveLength(1)
    again()
  })

  it('counts listeners that are the same function', async () => {
    const seen = vi.fn()
    const ends = [store.subscribe('ticks:A', seen), store.subscribe('ticks:A', seen)]
    ends[0]?.()
    await vi.waitFor(() => expect(seen).toHaveBeenCalledTimes(1))
    ends[1]?.()
  })

  it('marks topics that the server says are stale, until their next event', async () => {
    const end = store.subscribe('ticks:A', nothing)
    await vi.waitFor(() => expect(seq('ticks:A')).toBe(1))
    streams[0]?.write('event: stale\ndata: {"topic":"ticks:A","since_epoch_ms":"1"}\n\n')
    await vi.waitFor(() => expect(store.topic('ticks:A')).toMatchObject({ isStale: true, envelope: { seq: 1 } }))
    streams[0]?.write(tick('ticks:A', 2))
    await vi.waitFor(() => expect(store.topic('ticks:A')).toMatchObject({ isStale: false, envelope: { seq: 2 } }))
    end()
  })

  it('tells why it is closed, and connects again when it is told to', async () => {
    const good = server.handler
    server.handler = BAD.noContent
    const errors = vi.fn()
    const endErrors = store.onError(errors)
    const end = store.subscribe('ticks:A', nothing)
    await vi.waitFor(() => expect(store.state).toMatchObject({ status: 'closed', error: { status: 204 } }))
    expect(errors).toHaveBeenCalledTimes(1)
    server.handler = good
    store.reconnect()
    await vi.waitFor(() => expect(seq('ticks:A')).toBe(1))
    endErrors()
    end()
  })

  it('comes back after a server that was stopped', async () => {
    const patient = new TopicStore({
      baseUrl: server.url,
      reconnectInterval: 1,
      reconnectAttempts: Number.POSITIVE_INFINITY,
    })
    const end = patient.subscribe('ticks:A', nothing)
    await vi.waitFor(() => expect(patient.state.status).toBe('open'))
    await server.stop()
    await vi.waitFor(() => expect(patient.state.status).toBe('waiting'))
    await server.start()
    await vi.waitFor(() => expect(patient.state.status).toBe('open'))
    end()
  })
})

it('shares one store for the same options', () => {
  const options = { baseUrl: 'http://a', token: 't' }
  expect(sharedStore(options)).toBe(sharedStore({ ...options }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, token: 'u' }))
})
