import { expect, it } from 'vitest'
import { describeState } from '../../../page/inspector/connection_log.js'
import { snippetsFor } from '../../../page/inspector/snippets.js'
import { TrafficCounter } from '../../../page/inspector/topic_traffic.js'

const event = (topic: string) => `id: 1\ndata: {"event":"tick","subscription_id":"${topic}","seq":1,"data":{}}`

it('counts events and bytes of each topic over the last ten seconds', () => {
  const counter = new TrafficCounter(0)
  for (let at = 0; at < 20_000; at += 500) counter.add(event('ticks:R_100'), at)
  counter.add(event('balance:a'), 1000)
  counter.add(': a heartbeat', 19_000)
  const [first, second, ...others] = counter.report(20_000)
  const bytes = event('ticks:R_100').length + 2
  expect(first).toMatchObject({ topic: 'ticks:R_100', newest: 19_500 })
  expect(first?.rate).toBeCloseTo(2, 0)
  expect(first?.bytes).toBeCloseTo((first?.rate ?? 0) * bytes)
  expect(second).toEqual({ topic: 'balance:a', rate: 0, bytes: 0, newest: 1000 })
  expect(others).toEqual([])
})

it('knows a rate within the first seconds', () => {
  const counter = new TrafficCounter(0)
  counter.add(event('ticks:R_100'), 100)
  counter.add(event('ticks:R_100'), 1900)
  expect(counter.report(2000)[0]?.rate).toBe(1)
})

it('describes the states of a connection', () => {
  expect(describeState({ status: 'open', isSilent: false })).toBe('open')
  expect(describeState({ status: 'paused', reason: 'offline' })).toBe('paused: the page is offline')
  expect(describeState({ status: 'closed' })).toBe('closed')
})

it('writes programs for the chosen instrument', () => {
  const [curl, python, react] = snippetsFor('https://prices.example', 'A/B')
  expect(curl?.code).toBe("curl -N 'https://prices.example/sse?topic=ticks%3AA%2FB'")
  expect(python?.code).toContain('pricewire.connect("https://prices.example")')
  expect(react?.code).toContain('useMarketSSE("A/B", { baseUrl: "https://prices.example" })')
})
