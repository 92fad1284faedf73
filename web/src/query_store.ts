import { addTo, BaseStore, CLOSED, emit } from './base_store.js'
import { createSSEConnection, type ServerOptions, type SSEParams } from './connection.js'

/**
 * Shares one stream without topics, such as `action=contract_price`, among all its subscribers.
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

  constructor(params: SSEParams, options: ServerOptions = {}) {
    super()
    this.#params = params
    this.#options = options
  }

  get isUnused(): boolean {
    return this.wasUsed && !this.#isChanging && this.#close === undefined
  }

  /** The newest message. */
  get message(): Message | undefined {
    return this.#message
  }

  /** Calls the listener with every message. Returns the function that stops this. */
  subscribe(listener: (message: Message) => void): () => void {
    this.wasUsed = true
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
    // In a microtask: a subscription that ends and starts again at once, as in React's StrictMode, does not reconnect.
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
      reconnectAttempts: this.#options.reconnectAttempts ?? Number.POSITIVE_INFINITY,
      params: this.#params,
      onMessage: (message) => {
        this.received += 1
        this.#message = message as Message
        emit(this.#listeners, this.#message)
      },
      onState: (state) => this.setState(state),
      onError: (error) => this.reportError(error),
    })
  }
}
