import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, vi } from 'vitest'
import { sharedQuery, sharedStore } from '../../src/store.js'

// Exposes `gc`, also to the contexts that are there already.
setFlagsFromString('--expose-gc')
globalThis.gc = runInNewContext('gc') as typeof gc

it('shares one store for the same server and identity', () => {
  const options = { baseUrl: 'http://a', token: 't', reconnectAttempts: Number.POSITIVE_INFINITY }
  expect(sharedStore(options)).toBe(sharedStore({ ...options }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, token: 'u' }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, reconnectAttempts: 3 }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, hiddenAfter: 1000 }))
})

it('takes another fetch for another connection, and the same for the same', () => {
  const own: typeof fetch = (...args) => fetch(...args)
  const other: typeof fetch = (...args) => fetch(...args)
  expect(sharedStore({ fetch: own })).toBe(sharedStore({ fetch: own }))
  expect(sharedStore({ fetch: own })).not.toBe(sharedStore({ fetch: other }))
  expect(sharedStore({ fetch: own })).not.toBe(sharedStore())
  const params = { action: 'contract_price' }
  expect(sharedQuery(params, { fetch: own })).not.toBe(sharedQuery(params, { fetch: other }))
})

it('forgets what was only rendered, but nothing that is in use', async () => {
  const busy = { baseUrl: 'http://127.0.0.1:1', token: 'used' }
  const used = sharedStore(busy)
  const end = used.subscribe('A', () => {})
  const first = sharedStore({ token: () => 't', identity: 'first' })
  expect(sharedStore({ token: () => 't', identity: 'first' })).toBe(first)
  const providers = Array.from({ length: 1000 }, (_, index) => {
    const provider = () => 't'
    sharedStore({ token: provider, identity: `${index}` })
    sharedQuery({ action: 'contract_price' }, { token: provider, identity: `${index}` })
    return new WeakRef(provider)
  })
  expect(sharedStore({ token: () => 't', identity: 'first' })).not.toBe(first)
  expect(sharedStore(busy)).toBe(used)
  // What is kept of a thousand is a hundred of each kind.
  await vi.waitFor(
    () => {
      globalThis.gc?.()
      expect(providers.filter((provider) => provider.deref() !== undefined).length).toBeLessThan(250)
    },
    { timeout: 60_000 },
  )
  end()
})

it('takes a new function that returns tokens for the same identity, unless it is told otherwise', () => {
  const store = sharedStore({ token: () => 'a' })
  expect(sharedStore({ token: () => 'b' })).toBe(store)
  expect(sharedStore({ token: () => 'b', identity: 'other' })).not.toBe(store)
  expect(sharedStore()).not.toBe(store)
})

it('shares one query for the same parameters', () => {
  const params = { action: 'contract_price', payout: '10' }
  expect(sharedQuery(params)).toBe(sharedQuery({ ...params }))
  expect(sharedQuery(params)).not.toBe(sharedQuery({ ...params, payout: '11' }))
})
