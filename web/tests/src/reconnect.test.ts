import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { isTransient, parseRetryAfter, Reconnection } from '../../src/reconnect.js'

type Step =
  | { do: 'received' }
  /** What a `retry:` field of the stream says, in milliseconds. */
  | { do: 'retry'; milliseconds: number }
  /** `wait`: until the next attempt, in milliseconds; null where there is none. */
  | { do: 'lost'; chance: number; retry_after?: number; wait: number | null }

interface Vector {
  name: string
  /** `attempts`: null for any number. */
  policy: { attempts: number | null; interval: number; ceiling: number; floor: number }
  steps: Step[]
}

const VECTORS: Vector[] = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/reconnection.json', import.meta.url), 'utf8'),
)

const NOW = 1_000_000
const waits = (reconnection: Reconnection, chance: number, count: number, retryAfter = 0) =>
  Array.from({ length: count }, () => {
    const at = reconnection.lost(NOW, chance, retryAfter)
    return at === undefined ? undefined : at - NOW
  })
const asked = (retry: number) => Object.assign(new Reconnection(), { retry })

describe('Reconnection', () => {
  it.each(VECTORS)('does as the Python client does: $name', ({ policy, steps }) => {
    const reconnection = new Reconnection({ ...policy, attempts: policy.attempts ?? Number.POSITIVE_INFINITY })
    for (const step of steps) {
      if (step.do === 'received') reconnection.received()
      else if (step.do === 'retry') reconnection.retry = step.milliseconds
      else expect(waits(reconnection, step.chance, 1, step.retry_after)).toEqual([step.wait ?? undefined])
    }
  })

  it('waits a random share of a span that doubles, and gives up after the attempts', () => {
    expect(waits(new Reconnection(), 0.5, 4)).toEqual([550, 1050, 2050, undefined])
  })

  it('never waits less than the floor, nor longer than the ceiling', () => {
    const forever = { attempts: Number.POSITIVE_INFINITY }
    expect(waits(new Reconnection(forever), 0, 3)).toEqual([100, 100, 100])
    expect(waits(new Reconnection(forever), 1, 2000).at(-1)).toBe(30_000)
    expect(waits(new Reconnection({ ...forever, interval: 0 }), 1, 2000).at(-1)).toBe(100)
  })

  it('waits at least what the server asks for, and doubles it', () => {
    expect(waits(asked(4000), 0, 3)).toEqual([4000, 4000, 4000])
    expect(waits(asked(4000), 0.5, 3)).toEqual([4000, 6000, 10_000])
    expect(waits(asked(60_000), 0.5, 1)).toEqual([60_000])
    expect(waits(new Reconnection(), 0.5, 1, 60_000)).toEqual([60_000])
  })

  it('is not talked into less than the floor, nor into more than a day', () => {
    expect(waits(asked(0), 0.5, 3)).toEqual([100, 100, 100])
    expect(waits(asked(1e300), 0.5, 1)).toEqual([86_400_000])
  })

  it('starts again after an event', () => {
    const reconnection = new Reconnection()
    waits(reconnection, 0, 3)
    reconnection.received()
    expect(waits(reconnection, 1, 1)).toEqual([1000])
    expect(reconnection.attempt).toBe(1)
  })

  it('makes no attempt where none is allowed', () => {
    expect(waits(new Reconnection({ attempts: 0 }), 0, 1)).toEqual([undefined])
  })
})

it.each([
  [408, true],
  [429, true],
  [500, true],
  [503, true],
  [204, false],
  [304, false],
  [400, false],
  [401, false],
  [404, false],
])('status %i may pass: %s', (status, transient) => {
  expect(isTransient(status)).toBe(transient)
})

it.each([
  [null, 0],
  ['5', 5000],
  ['Thu, 01 Jan 1970 00:16:42 GMT', 2000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', 0],
])('Retry-After: %s is %i ms', (value, wait) => {
  expect(parseRetryAfter(value, NOW)).toBe(wait)
})
