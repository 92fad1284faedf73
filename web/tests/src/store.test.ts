import { expect, it } from 'vitest'
import { sharedQuery, sharedStore } from '../../src/store.js'

it('shares one store for the same server and identity', () => {
  const options = { baseUrl: 'http://a', token: 't', reconnectAttempts: Number.POSITIVE_INFINITY }
  expect(sharedStore(options)).toBe(sharedStore({ ...options }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, token: 'u' }))
  expect(sharedStore(options)).not.toBe(sharedStore({ ...options, reconnectAttempts: 3 }))
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
