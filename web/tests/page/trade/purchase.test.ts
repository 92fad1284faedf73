import { expect, it, vi } from 'vitest'
import { RequestError } from '../../../page/requests.js'
import { isUndecided, newKey, place } from '../../../page/trade/purchase.js'
import type { PurchaseRequest } from '../../../src/schema.js'
import { PURCHASED } from '../fixtures.js'

const ORDER: PurchaseRequest = {
  idempotency_key: 'k',
  product_id: 'rise_fall',
  proposal_details: {
    instrument_id: 'R_100',
    duration: 5,
    duration_unit: 'ticks',
    allow_equals: false,
    stake: '10.00',
    variant: 'rise',
    payout: '19.53',
    tolerance: 0.01,
  },
}
const unreachable = () => new RequestError('the server cannot be reached')

it('sends the same order again while its result is unknown', async () => {
  const sent: PurchaseRequest[] = []
  const waits: number[] = []
  const onRetry = vi.fn()
  const bought = await place(ORDER, {
    send: async (order) => {
      sent.push(order)
      if (sent.length === 1) throw unreachable()
      if (sent.length === 2) throw new RequestError('draining', { status: 503 })
      return PURCHASED
    },
    wait: async (milliseconds) => void waits.push(milliseconds),
    onRetry,
  })
  expect(bought).toBe(PURCHASED)
  expect(sent).toEqual([ORDER, ORDER, ORDER])
  expect(waits).toEqual([500, 1000])
  expect(onRetry).toHaveBeenCalledTimes(2)
})

it('does not send a refused order again', async () => {
  const send = vi.fn().mockRejectedValue(new RequestError('no money', { status: 409, code: 'INSUFFICIENT_BALANCE' }))
  await expect(place(ORDER, { send, wait: async () => {}, onRetry: () => {} })).rejects.toThrow('no money')
  expect(send).toHaveBeenCalledTimes(1)
})

it('gives up in the end', async () => {
  const send = vi.fn().mockImplementation(() => Promise.reject(unreachable()))
  const failed = place(ORDER, { send, wait: async () => {}, onRetry: () => {} })
  await expect(failed).rejects.toSatisfy(isUndecided)
  expect(send).toHaveBeenCalledTimes(5)
})

it('makes keys that are all different', () => {
  const keys = new Set(Array.from({ length: 100 }, newKey))
  expect(keys.size).toBe(100)
  expect(newKey()).toMatch(/^[0-9a-f]{32}$/)
})
