import { addTo, BaseStore, CLOSED, emit } from './base_store.js'
import { createSSEConnection, type ServerOptions, type SSEParams } from './connection.js'

/**
 * One stream that is no stream of topics, `action=contract_price` for instance, however many places want it.
 *
 * It opens with the first subscription and closes with the last.
 */
export class QueryStore<Message = unknown> extends BaseStore {
  readonly #params: SSEParams
  readonly #options: ServerOptions
  readonly #listeners = new Set<(message: Message) => void>()
  #message: Message | undefined
  #close: (() => void) | undefined
  #isChanging = false
  #wasUsed = false

  constructor(params: SSEParams, options: ServerOptions = {}) {
    super()
    this.#params = params
    this.#options = options
  }

  get isSpent(): boolean {
    return this.#wasUsed && !this.#isChanging && this.#close === undefined
  }

  /** The newest message. */
  get message(): Message | undefined {
    return this.#message
  }

  /** Calls the listener with every message, until the returned function is called. */
  subscribe(listener: (message: Message) => void): () => void {
    this.#wasUsed = true
    const remove = addTo(this.#listeners, listener)
    this.#change()
    return () => {
      remove()
      this.#change()
    }
  }

  reconnect(): void {
    if (this.#close === undefined) return
    this.#close()
    this.#open()
  }

  #change(): void {
    if (this.#isChanging) return
    this.#isChanging = true
    // At the end of the turn: what is left and taken again at once, as under StrictMode, does not reconnect.
    queueMicrotask(() => {
      this.#isChanging = false
      if (this.#listeners.size > 0 && this.#close === undefined) this.#open()
      else if (this.#listeners.size === 0 && this.#close !== undefined) {
        this.#close()
        this.#close = undefined
        this.#message = undefined
        this.setState(CLOSED)
      }
    })
  }

  #open(): void {
    this.#close = createSSEConnection({
      ...this.#options,
      params: this.#params,
      onMessage: (message) => {
        this.received += 1
        this.#message = message as Message
        emit(this.#listeners, this.#message)
      },
      onState: (state) => this.setState(state),
      onError: (error) => this.tellError(error),
    })
  }
}
