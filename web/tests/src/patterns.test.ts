import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { covers, overlap } from '../../src/patterns.js'
import { sharedStore } from '../../src/store.js'
import { TopicStore } from '../../src/topic_store.js'
import { Pricewire } from '../pricewire.js'

describe('covers', () => {
  it.each([
    ['ticks:1HZ*', 'ticks:1HZ10V', true],
    ['ticks:1HZ*', 'ticks:1HZ', true],
    ['ticks:1HZ*', 'ticks:R_10', false],
    ['ticks:1HZ', 'ticks:1HZ', false],
    ['*', 'ticks:R_10', true],
    ['*', 'ticks:*', false],
    ['*', 'proposal:rise_fall:R_10:5:ticks:10:false', false],
    ['c*', 'contract_price:1', false],
    ['a*', 'admin', false],
  ])('says whether %s stands for %s', (pattern, topic, expected) => {
    expect(covers(['x', pattern], topic)).toBe(expected)
  })
})

describe('overlap', () => {
  it.each([
    ['ticks:*', 'ticks:A', true],
    ['ticks:*', 'ticks:A*', true],
    ['*', 'ticks:*', true],
    ['ticks:A*', 'ticks:B*', false],
    ['ticks:A*', 'ticks:B', false],
    ['ticks:A', 'ticks:AB', false],
  ])('says whether %s and %s have topics in common', (one, other, expected) => {
    expect([overlap(one, other), overlap(other, one)]).toEqual([expected, expected])
  })
})

describe('a pattern', () => {
  let server: Pricewire
  let store: TopicStore

  beforeEach(async () => {
    server = await new Pricewire().start()
    store = new TopicStore({ baseUrl: server.url, reconnectInterval: 1 })
  })

  afterEach(() => server.stop())

  const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 })

  /** Subscribes; returns what comes, as `t:1 3`, and the function that ends it. */
  function subscribe(topic: string): [seen: string[], end: () => void] {
    const seen: string[] = []
    const end = store.subscribe(topic, ({ envelope, isStale }) =>
      seen.push(`${envelope?.subscription_id} ${isStale ? 'stale' : envelope?.seq}`),
    )
    return [seen, end]
  }

  it('has the topics that there are and those that come', async () => {
    server.publish('t:1')
    server.publish('u:1')
    server.publish('t:2')
    const [seen, end] = subscribe('t:*')
    await until(() => expect(seen).toEqual(['t:1 1', 't:2 1']))
    server.publish('t:3')
    server.publish('u:1')
    server.publish('t:1')
    await until(() => expect(seen.slice(2)).toEqual(['t:3 1', 't:1 2']))
    expect(store.current('t:*').map((each) => [each.subscription_id, each.seq])).toEqual([
      ['t:1', 2],
      ['t:2', 1],
      ['t:3', 1],
    ])
    expect(store.topic('t:*').envelope).toMatchObject({ subscription_id: 't:1', seq: 2 })
    end()
    await until(() => expect(server.topics).toEqual([]))
    expect(store.current('t:*')).toEqual([])
    expect(store.isUnused).toBe(true)
  })

  it('and a topic of it bring each event once to each of their listeners', async () => {
    for (const topic of ['t:1', 't:2', 'u:1']) server.publish(topic)
    const [exact] = subscribe('t:1')
    const [pattern] = subscribe('t:*')
    await until(() => expect([exact, pattern]).toEqual([['t:1 1'], ['t:1 1', 't:2 1']]))
    // Others come while the stream is open: a name, and a pattern of which parts are carried.
    const [later] = subscribe('t:2')
    const [wider] = subscribe('*')
    await until(() => expect([later, wider.toSorted()]).toEqual([['t:2 1'], ['t:1 1', 't:2 1', 'u:1 1']]))
    await until(() => expect(server.topics).toEqual([['t:1', 't:*', 't:2', '*']]))
    for (const topic of ['u:1', 't:2', 't:1']) server.publish(topic)
    await until(() => expect(wider.slice(3)).toEqual(['u:1 2', 't:2 2', 't:1 2']))
    expect(pattern.slice(2)).toEqual(['t:2 2', 't:1 2'])
    expect([exact, later]).toEqual([
      ['t:1 1', 't:1 2'],
      ['t:2 1', 't:2 2'],
    ])
  })

  it.each([
    ['t:*', 't:1'],
    ['t:1', 't:*'],
    ['t:*', '*'],
    ['*', 't:*'],
  ])('goes on where %s leaves and %s stays', async (left, kept) => {
    for (const topic of ['t:1', 't:2', 'u:1']) server.publish(topic)
    const [, end] = subscribe(left)
    const [seen] = subscribe(kept)
    await until(() => expect(seen).toContain('t:1 1'))
    end()
    server.publish('t:1')
    await until(() => expect(server.topics).toEqual([[kept]]))
    server.publish('t:1')
    await until(() => expect(seen).toContain('t:1 3'))
    expect(seen.filter((each) => each.startsWith('t:1'))).toEqual(['t:1 1', 't:1 2', 't:1 3'])
    const [again] = subscribe(left)
    if (left === 't:1') expect(store.topic(left).envelope?.seq).toBe(3)
    else await until(() => expect(again.filter((each) => each.startsWith('t:1'))).toEqual(['t:1 3']))
  })

  it.each([
    ['t:*', 't:1'],
    ['t:1', 't:*'],
    ['t:*', '*'],
  ])('takes over in one turn: %s before, %s after', async (before, after) => {
    for (const topic of ['t:1', 't:2']) server.publish(topic)
    const [old, end] = subscribe(before)
    await until(() => expect(old).toContain('t:1 1'))
    end()
    const [seen] = subscribe(after)
    server.publish('t:1')
    await until(() => expect(server.topics).toEqual([[after]]))
    server.publish('t:1')
    await until(() => expect(seen).toContain('t:1 3'))
    expect(seen.filter((each) => each.startsWith('t:1'))).toEqual(['t:1 1', 't:1 2', 't:1 3'])
  })

  it('whose removal waits for another change has given what it knows to who takes a topic of it by its name', async () => {
    server.publish('t:1')
    const [first, end] = subscribe('t:*')
    await until(() => expect(first).toEqual(['t:1 1']))
    subscribe('A')
    await Promise.resolve()
    end()
    await Promise.resolve()
    const [exact] = subscribe('t:1')
    await until(() => expect(server.topics).toEqual([['A', 't:1']]))
    expect(exact).toEqual(['t:1 1'])
  })

  it('that is taken again while it is being removed gives what is current when it is added', async () => {
    const [other] = subscribe('A')
    const [first, end] = subscribe('t:*')
    server.publish('t:1')
    await until(() => expect([other, first]).toEqual([['A 1'], ['t:1 1']]))
    end()
    await until(() => expect(server.asked).toHaveLength(2))
    const [second] = subscribe('t:*')
    const [exact] = subscribe('t:1')
    server.publish('t:1')
    await until(() => expect(second).toContain('t:1 2'))
    await until(() => expect(exact).toContain('t:1 2'))
    server.publish('t:1')
    await until(() =>
      expect([second, exact]).toEqual([expect.arrayContaining(['t:1 3']), expect.arrayContaining(['t:1 3'])]),
    )
    for (const seen of [second, exact]) expect(new Set(seen).size).toBe(seen.length)
  })

  it('loses and doubles nothing over a lost connection', async () => {
    const [pattern] = subscribe('t:*')
    const [exact] = subscribe('t:1')
    await until(() => expect([pattern, exact]).toEqual([['t:1 1'], ['t:1 1']]))
    server.cut()
    await until(() => expect(server.topics).toEqual([]))
    server.publish('t:2')
    server.publish('t:1')
    await until(() => expect(pattern.slice(1)).toEqual(['t:2 1', 't:1 2']))
    expect(exact.slice(1)).toEqual(['t:1 2'])
    expect(server.asked).toEqual(['GET t:*,t:1', 'GET t:*,t:1 after 1'])
  })

  it.each(['t:*', 't:1'])(
    '%s leaves nothing behind where it is left in the turn in which it was taken',
    async (topic) => {
      const [seen, end] = subscribe('t*')
      server.publish('t:1')
      await until(() => expect(seen).toEqual(['t:1 1']))
      subscribe(topic)[1]()
      await Promise.resolve()
      end()
      await until(() => expect(store.isUnused).toBe(true))
    },
  )

  it('says which of its topics is stale', async () => {
    server.publish('t:1')
    const [seen] = subscribe('t:*')
    await until(() => expect(seen).toEqual(['t:1 1']))
    server.write('event: stale\ndata: {"topic":"t:1","since_epoch_ms":"1"}\n\n')
    await until(() => expect(seen.slice(1)).toEqual(['t:1 stale']))
  })

  it('that is refused says so', async () => {
    server.unknown.add('t:*')
    const [seen] = subscribe('t:*')
    const [other] = subscribe('t:1')
    await until(() => expect(store.topic('t:*').error).toMatchObject({ status: 404 }))
    await until(() => expect(other).toEqual(['t:1 1']))
    server.publish('t:1')
    await until(() => expect(other).toEqual(['t:1 1', 't:1 2']))
    expect(seen).toEqual(['undefined undefined'])
  })

  it('that was refused has its topics once the server takes it', async () => {
    server.unknown.add('t:*')
    const [seen] = subscribe('t:*')
    const [exact] = subscribe('t:1')
    await until(() => expect(exact).toEqual(['t:1 1']))
    expect(store.topic('t:*').error).toMatchObject({ status: 404 })
    // Who comes now gets nothing by a pattern that is refused, and can see why.
    const [late] = subscribe('t:*')
    server.publish('t:1')
    await until(() => expect(exact).toEqual(['t:1 1', 't:1 2']))
    expect(late).toEqual([])
    expect(store.topic('t:*').error).toMatchObject({ status: 404 })
    server.unknown.clear()
    server.publish('t:2')
    server.restart()
    await until(() => expect(seen).toContain('t:2 1'))
    expect(late).toContain('t:2 1')
    expect(store.topic('t:*').error).toBeUndefined()
  })

  it('tells whoever comes later which of its topics are stale', async () => {
    server.publish('t:1')
    server.publish('t:2')
    const [first] = subscribe('t:*')
    await until(() => expect(first).toEqual(['t:1 1', 't:2 1']))
    server.write('event: stale\ndata: {"topic":"t:1","since_epoch_ms":"1"}\n\n')
    await until(() => expect(first).toContain('t:1 stale'))
    const [pattern] = subscribe('t:*')
    const [exact] = subscribe('t:1')
    await until(() => expect([pattern, exact]).toEqual([['t:1 stale', 't:2 1'], ['t:1 stale']]))
    server.publish('t:1')
    await until(() => expect([pattern.at(-1), exact.at(-1)]).toEqual(['t:1 2', 't:1 2']))
    const [last] = subscribe('t:*')
    await until(() => expect(last).toEqual(['t:1 2', 't:2 1']))
  })

  it('says nothing of a topic that is stale and has no value yet', async () => {
    server.publish('t:2')
    const [pattern] = subscribe('t:*')
    await until(() => expect(pattern).toEqual(['t:2 1']))
    server.write('event: stale\ndata: {"topic":"t:1","since_epoch_ms":"1"}\n\n')
    server.publish('t:2')
    await until(() => expect(pattern).toEqual(['t:2 1', 't:2 2']))
  })

  it('is given to a listener that comes between the events of one read', async () => {
    server.publish('t:1')
    const seen: string[] = []
    let late: string[] = []
    store.subscribe('t:1', ({ envelope }) => {
      seen.push(`${envelope?.seq}`)
      if (envelope?.seq === 2) [late] = subscribe('t:*')
    })
    await until(() => expect(seen).toEqual(['1']))
    for (let count = 0; count < 3; count++) server.publish('t:1')
    await until(() => expect(seen).toEqual(['1', '2', '3', '4']))
    server.publish('t:1')
    await until(() => expect(late.at(-1)).toBe('t:1 5'))
    expect(new Set(late).size).toBe(late.length)
  })

  it('is for a store that does not share a connection with other tabs', async () => {
    vi.stubGlobal('document', {})
    const shared = sharedStore({ baseUrl: server.url })
    expect(() => shared.subscribe('t:*', () => {})).toThrow('shareTabs: false')
    vi.unstubAllGlobals()
    expect(shared.isUnused).toBe(false)
    const own = sharedStore({ baseUrl: server.url, shareTabs: false })
    server.publish('t:1')
    const seen: unknown[] = []
    const end = own.subscribe('t:*', ({ envelope }) => seen.push(envelope?.seq))
    await until(() => expect(seen).toEqual([1]))
    end()
  })
})
