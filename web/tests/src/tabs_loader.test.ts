// @vitest-environment happy-dom
import { afterEach, expect, it, vi } from 'vitest'
import { LazyTabs } from '../../src/tabs_loader.js'
import { TopicStore } from '../../src/topic_store.js'

const { setTimeout: wait } = globalThis

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('says that it connects while a token is awaited, and why it cannot, if none comes', async () => {
  const locks = { request: async (...args: unknown[]) => (args.at(-1) as () => unknown)() }
  vi.stubGlobal('navigator', { locks, onLine: true })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const token = vi.fn(() => new Promise<string>(() => {}))
  const options = { baseUrl: 'http://127.0.0.1:1', token }
  const store = new TopicStore(options, (listener) => new LazyTabs(options, listener))
  const errors: string[] = []
  store.onError(({ message }) => errors.push(message))
  const end = store.subscribe('A', () => {})
  // The code of tabs is loaded meanwhile.
  for (let passed = 0; passed < 1000 && token.mock.calls.length === 0; passed += 1)
    await new Promise((resolve) => wait(resolve, 10))
  expect(store.state.status).toBe('connecting')
  await vi.advanceTimersByTimeAsync(30_000)
  expect(store.state.status).toBe('connecting')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(store.state).toMatchObject({ status: 'waiting', attempt: 1 })
  expect(errors).toEqual(['the server has been silent for 60 s'])
  end()
  await Promise.resolve()
  expect(store.state.status).toBe('closed')
}, 60_000)

it('is closed again where all have left before the token came', async () => {
  const locks = { request: async (...args: unknown[]) => (args.at(-1) as () => unknown)() }
  vi.stubGlobal('navigator', { locks, onLine: true })
  const options = { baseUrl: 'http://127.0.0.1:1', token: () => new Promise<string>(() => {}) }
  const store = new TopicStore(options, (listener) => new LazyTabs(options, listener))
  const end = store.subscribe('A', () => {})
  await Promise.resolve()
  expect(store.state.status).toBe('connecting')
  end()
  await Promise.resolve()
  expect(store.state.status).toBe('closed')
})
