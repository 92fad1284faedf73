import { RequestError } from '../requests.js'
import type { Bought, Order } from './trading.js'

/** The waits before an order is sent again, in milliseconds. */
const WAITS = [500, 1000, 2000, 4000]

/** What {@link place} needs. */
export interface PlaceOptions {
  readonly send: (order: Order) => Promise<Bought>
  /** Resolves after so many milliseconds. */
  readonly wait: (milliseconds: number) => Promise<void>
  /** Is told that the order is about to be sent again. */
  readonly onRetry: () => void
}

/**
 * Places an order, and sends it again while nobody knows whether it has come through.
 *
 * It keeps its key, by which the server knows it again: however often it is sent, it buys once. Throws the {@link RequestError} of the
 * server's refusal, or of the last attempt; {@link isUndecided} tells the two apart.
 */
export async function place(order: Order, { send, wait, onRetry }: PlaceOptions): Promise<Bought> {
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

/** Returns whether an order may have come through all the same. */
export function isUndecided(error: unknown): boolean {
  return error instanceof RequestError && (error.status === undefined || error.status >= 500)
}

/** Returns a key that no other order has. */
export function newKey(): string {
  // Not randomUUID, which a page has only over HTTPS or on the own machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
