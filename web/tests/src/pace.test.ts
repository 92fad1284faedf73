import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { networkInterval, type Pace, paced } from '../../src/pace.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Pushes a number every 10 ms for 200 ms, and returns when which came. */
function run(pace: Pace): string[] {
  const seen: string[] = []
  const started = performance.now()
  const { push } = paced<number>((value) => seen.push(`${value}@${performance.now() - started}`), pace)
  for (let value = 1; value <= 20; value += 1) {
    push(value)
    vi.advanceTimersByTime(10)
  }
  vi.advanceTimersByTime(1000)
  return seen
}

describe('paced', () => {
  it('hands on every value at once where no pace is asked for', () => {
    expect(run({})).toHaveLength(20)
  })

  it('throttles: the first at once, then the newest of each span', () => {
    expect(run({ throttle: 60 })).toEqual(['1@0', '6@60', '12@120', '18@180', '20@240'])
  })

  it('debounces: the newest when nothing has come for a while', () => {
    expect(run({ debounce: 30 })).toEqual(['20@220'])
  })

  it('holds back no longer than throttle says where both are given', () => {
    expect(run({ debounce: 30, throttle: 70 })).toEqual(['7@70', '14@140', '20@210'])
  })

  it('drops what it holds back when it is cancelled', () => {
    const deliver = vi.fn()
    const { push, cancel } = paced(deliver, { debounce: 30 })
    push(1)
    cancel()
    vi.advanceTimersByTime(100)
    expect(deliver).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })
})

it.each([
  [undefined, 0],
  [{}, 0],
  [{ effectiveType: '4g', saveData: false }, 0],
  [{ effectiveType: '3g' }, 250],
  [{ effectiveType: '2g' }, 1000],
  [{ effectiveType: 'slow-2g' }, 1000],
  [{ effectiveType: '4g', saveData: true }, 1000],
])('on the network %o it asks for %i ms', (network, interval) => {
  expect(networkInterval(network)).toBe(interval)
})
