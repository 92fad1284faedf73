import type { Purchased, PurchaseRequest } from '../../src/schema.js'
import { RequestError } from '../requests.js'

/** The waits before an order is sent again, in milliseconds. */
const WAITS = [500, 1000, 2000, 4000]

/** What {@link place} needs. */
export interface PlaceOptions {
  readonly send: (order: PurchaseRequest) => Promise<Purchased>
  /** Resolves after this many milliseconds. */
  readonly wait: (milliseconds: number) => Promise<void>
  /** Called before the order is sent again. */
  readonly onRetry: () => void
}

/**
 * Places an order, and sends it again while it is unknown whether the server has executed it.
 *
 * The order keeps its idempotency key, so the server buys once, however often the order arrives. Throws the {@link RequestError} of the
 * server's refusal or of the last attempt; {@link isUndecided} tells which.
 */
export async function place(order: PurchaseRequest, { send, wait, onRetry }: PlaceOptions): Promise<Purchased> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await send(order)
    } catch (error) {
      const pause = WAITS[attempt]
      if (pause === undefined || !isUndecided(error)) throw error
      onRetry()
      await wait(pause)
    }
  }
}

/** Returns whether the server may have executed an order although its request failed. */
export function isUndecided(error: unknown): boolean {
  return error instanceof RequestError && (error.status === undefined || error.status >= 500)
}

/** Returns an idempotency key that no other order has. */
export function newKey(): string {
  // Not crypto.randomUUID: browsers offer it only over HTTPS and on localhost.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
