import type { ConnectionState } from './connection.js'
import type { SSEError } from './problem.js'
import { call } from './report.js'

/** What all stores have in common: the state of their connection, and its errors. */
export abstract class BaseStore {
  /** The number of messages received since the store was created. */
  received = 0

  readonly #stateListeners = new Set<(state: ConnectionState) => void>()
  readonly #errorListeners = new Set<(error: SSEError) => void>()
  #state: ConnectionState = CLOSED

  /** The state of the connection; `closed` also before the first subscription and after the last. */
  get state(): ConnectionState {
    return this.#state
  }

  /** Calls the listener with {@link BaseStore.state}, now and at every change. Returns the function that stops this. */
  onState(listener: (state: ConnectionState) => void): () => void {
    call(listener, this.#state)
    return addTo(this.#stateListeners, listener)
  }

  /** Calls the listener with every error. Returns the function that stops this. */
  onError(listener: (error: SSEError) => void): () => void {
    return addTo(this.#errorListeners, listener)
  }

  /** Whether there has been a subscription. */
  wasUsed = false

  /** Whether the store was in use, and its last subscription has ended. */
  abstract get isUnused(): boolean

  /** Reconnects now: for a button beside "reconnecting in 20 s", or after the connection has given up. */
  abstract reconnect(): void

  protected setState(state: ConnectionState): void {
    if (state === this.#state) return
    this.#state = state
    emit(this.#stateListeners, state)
  }

  protected reportError(error: SSEError): void {
    emit(this.#errorListeners, error)
  }
}

/** The state of a store that nobody subscribes to. */
export const CLOSED: ConnectionState = { status: 'closed' }

/** Adds a listener, and returns the function that removes it. The same function may be added more than once. */
export function addTo<T>(listeners: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const own = (value: T) => listener(value)
  listeners.add(own)
  return () => void listeners.delete(own)
}

/** Calls all listeners, except those that an earlier one has removed. An exception in a listener is reported and does not stop the others. */
export function emit<T>(listeners: Set<(value: T) => void>, value: T): void {
  for (const listener of listeners) call(listener, value)
}
