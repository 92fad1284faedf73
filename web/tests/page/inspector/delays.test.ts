import { expect, it } from 'vitest'
import { Delays } from '../../../page/inspector/delays.js'

it('knows nothing before the first update', () => {
  const delays = new Delays()
  expect(delays.statistics()).toBeUndefined()
  expect(delays.offset).toBe(0)
})

it('takes the fastest update for one that took no time, whatever the clocks say', () => {
  const delays = new Delays()
  // The browser's clock is an hour behind; the updates take 20 ms, one of them 25 ms and one 320 ms.
  for (let sent = 0; sent < 98; sent += 1) delays.add(sent, sent + 20 - 3_600_000)
  delays.add(1000, 1025 - 3_600_000)
  delays.add(2000, 2320 - 3_600_000)
  expect(delays.statistics()).toEqual({ median: 0, p99: 5, count: 100 })
  expect(delays.offset).toBe(20 - 3_600_000)
})

it('counts the earlier ones anew when a faster one comes', () => {
  const delays = new Delays()
  delays.add(0, 30)
  delays.add(0, 30)
  delays.add(0, 10)
  expect(delays.statistics()).toEqual({ median: 20, p99: 20, count: 3 })
})
