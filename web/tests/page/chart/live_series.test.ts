import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { LiveSeries, type Timed } from '../../../page/chart/live_series.js'

interface Point extends Timed {
  readonly value: string
}

/** What a chart would show. */
let shown: Point[]
let errors: string[]
/** The histories that are asked for and not yet answered. */
let asked: { resolve: (points: Point[]) => void; reject: (error: Error) => void }[]
let live: LiveSeries<Point>

beforeEach(() => {
  shown = []
  errors = []
  asked = []
  live = new LiveSeries<Point>({
    load: () => new Promise((resolve, reject) => asked.push({ resolve, reject })),
    show: (points) => {
      shown = [...points]
    },
    append: (point) => {
      if (shown.at(-1)?.time === point.time) shown.pop()
      shown.push(point)
    },
    fail: ({ message }) => errors.push(message),
  })
})

afterEach(() => {
  live.stop()
  vi.useRealTimers()
})

const point = (time: number, value = `${time}`): Point => ({ time, value })
const times = () => shown.map(({ time }) => time)
async function answer(...points: Point[]): Promise<void> {
  asked.shift()?.resolve(points)
  await Promise.resolve()
  await Promise.resolve()
}

it('goes on from the history with the stream', async () => {
  await answer(point(1), point(2))
  live.push(point(2, 'newer'), 7)
  live.push(point(3), 8)
  expect(shown.map(({ value }) => value)).toEqual(['1', 'newer', '3'])
  expect(asked).toHaveLength(0)
})

it('keeps points that come while the history is on its way', async () => {
  live.push(point(2), 7)
  live.push(point(3), 8)
  await answer(point(1), point(2))
  expect(times()).toEqual([1, 2, 3])
  expect(asked).toHaveLength(0)
})

it('asks again where the first point of the stream may come after a gap', async () => {
  await answer(point(1))
  live.push(point(3), 7)
  live.push(point(4), 8)
  expect(times()).toEqual([1])
  await answer(point(1), point(2), point(3))
  expect(times()).toEqual([1, 2, 3, 4])
  expect(asked).toHaveLength(0)
})

it('asks again where numbers are missing, and not where points stand for them', async () => {
  await answer(point(1))
  live.push(point(1), 7)
  live.push(point(2), 10, 2)
  expect(times()).toEqual([1, 2])
  live.push(point(5), 13)
  await answer(point(1), point(2), point(3), point(4), point(5))
  expect(times()).toEqual([1, 2, 3, 4, 5])
})

it('asks again where the numbers begin anew: it is another server, with another history', async () => {
  await answer(point(1))
  live.push(point(1), 7)
  live.push(point(9, 'other'), 1)
  await answer(point(8, 'other'), point(9, 'other'))
  expect(shown.map(({ value }) => value)).toEqual(['other', 'other'])
})

it('asks again after the stream was lost, whatever the numbers say', async () => {
  await answer(point(1))
  live.push(point(1), 7)
  live.lost()
  live.push(point(3), 8)
  await answer(point(1), point(2), point(3))
  expect(times()).toEqual([1, 2, 3])
})

it('asks once more where a gap opened while the history was on its way', async () => {
  live.push(point(1), 1)
  live.push(point(5), 5)
  await answer(point(1))
  expect(asked).toHaveLength(1)
  await answer(point(1), point(2), point(3), point(4), point(5))
  expect(times()).toEqual([1, 2, 3, 4, 5])
})

it('leaves out points older than what the history ends with', async () => {
  live.push(point(1), 1)
  await answer(point(1), point(2))
  expect(times()).toEqual([1, 2])
})

it('tells that the history could not be loaded, and tries again', async () => {
  vi.useFakeTimers()
  asked.shift()?.reject(new Error('no server'))
  await vi.advanceTimersByTimeAsync(0)
  expect(errors).toEqual(['no server'])
  await vi.advanceTimersByTimeAsync(2000)
  expect(asked).toHaveLength(1)
  await answer(point(1))
  expect(times()).toEqual([1])
})

it('tells nothing after it was stopped', async () => {
  live.stop()
  await answer(point(1))
  expect(shown).toEqual([])
})

it('lets go of the oldest points of a long day', async () => {
  await answer(point(0))
  for (let seq = 0; seq <= 10_000; seq += 1) live.push(point(seq), seq)
  expect(shown.length).toBe(5000)
  expect(shown.at(-1)?.time).toBe(10_000)
})
