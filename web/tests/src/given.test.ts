import { describe, expect, it } from 'vitest'
import { Given } from '../../src/given.js'
import type { Envelope } from '../../src/messages.js'

function event(seq: number, more: object = {}): Envelope {
  return { event: 'tick', subscription_id: 'A', seq, data: { price: `${seq}` }, ...more } as Envelope
}

describe('Given', () => {
  it('tells the next event from one that was given and from a later one', () => {
    const given = new Given()
    expect(given.place(event(7))).toBe('next')
    given.give(event(7))
    expect([6, 7, 8, 9].map((seq) => given.place(event(seq)))).toEqual(['known', 'known', 'next', 'gap'])
    expect(given.place(event(10, { merged: 2 }))).toBe('next')
    expect(given.place(event(10, { merged: 1 }))).toBe('gap')
    expect(given.place(event(9, { subscription_id: 'B' }))).toBe('next')
  })

  it('takes any number after the end, but not the same event again', () => {
    const given = new Given()
    given.give(event(7))
    given.end('A')
    expect(given.place(event(7))).toBe('known')
    expect(given.place(event(7, { data: {} }))).toBe('next')
    expect(given.place(event(1))).toBe('next')
    given.give(event(1))
    expect(given.place(event(3))).toBe('gap')
  })

  it('says what is older or another than what was given', () => {
    const given = new Given()
    expect(given.isOlder(event(1))).toBe(false)
    given.give(event(7))
    expect([6, 7, 8].map((seq) => given.isOlder(event(seq)))).toEqual([true, false, false])
    expect(given.isOlder(event(7, { data: {} }))).toBe(true)
  })

  it('has a page be told once that a topic is stale or refused, until there is news of it', () => {
    const given = new Given()
    expect([given.mark('A', 'isStale'), given.mark('A', 'isStale')]).toEqual([true, false])
    given.give(event(1))
    expect(given.mark('A', 'isStale')).toBe(true)
    expect([given.mark('A', 'isRefused'), given.mark('A', 'isRefused')]).toEqual([true, false])
    given.pardon()
    expect(given.mark('A', 'isRefused')).toBe(true)
    given.forget('A')
    expect(given.mark('A', 'isStale')).toBe(true)
  })
})
