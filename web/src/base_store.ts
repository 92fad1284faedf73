import type { ConnectionState } from './connection.js'
import type { SSEError } from './problem.js'
import { call } from './report.js'

/** What all stores know: where their connection is, and what goes wrong. */
export abstract class BaseStore {
  /** How many messages have come since the store was made. */
  received = 0

  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #errorListeners = new Set<(error: SSEError) => void>()
  #state: ConnectionState = CLOSED

  /** Where the connection is; `closed` also before the first subscription and after the last. */
  get state(): ConnectionState {
    return this.#state
  }

  /** Calls the listener with {@link BaseStore.state}, now and at every change, until the returned function is called. */
  onState(listener: (state: ConnectionState) => void): () => void {
    call(listener, this.#state)
    return addTo(this.#stateListeners, listener)
  }

  /** Calls the listener with everything that goes wrong, until the returned function is called. */
  onError(listener: (error: SSEError) => void): () => void {
    return addTo(this.#errorListeners, listener)
  }

  /** Whether it has been subscribed to, and is not any more. */
  abstract get isSpent(): boolean

  /** Connects again now: for a button beside "reconnecting in 20 s", or after the connection has given up. */
  abstract reconnect(): void

  protected setState(state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    emit(this.#stateListeners, state)
  }

  protected tellError(error: SSEError): void {
    emit(this.#errorListeners, error)
  }
}

/** The state of a store that nobody subscribes to. */
export const CLOSED: ConnectionState = { status: 'closed' }

/** Adds a listener of its own, so that the same function may be given twice; returns the function that removes it. */
export function addTo<T>(listeners: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const own = (value: T) => listener(value)
  listeners.add(own)
  return () => void listeners.delete(own)
}

/** Calls all listeners that are still there when it is their turn; what one of them throws is reported, and stops no other. */
export function emit<T>(listeners: Set<(value: T) => void>, value: T): void {
  for (const listener of listeners) call(listener, value)
}
