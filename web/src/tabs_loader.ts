import { CLOSED } from './base_store.js'
import type { ConnectionState, ServerOptions } from './connection.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'

/** How long a token may take, in milliseconds. */
const TOKEN_TIMEOUT = 30_000

const CONNECTING: ConnectionState = { status: 'connecting' }

/** Shares a connection with other tabs if the browser can. The code for that is loaded with the first topic. */
export class LazyTabs implements TopicLink {
  readonly #options: ServerOptions
  readonly #listener: TopicListener
  #link: TopicLink | undefined
  #isLoading = false
  #wanted: readonly string[] = []

  constructor(options: ServerOptions, listener: TopicListener) {
    this.#options = options
    this.#listener = listener
  }

  want(topics: readonly string[]): void {
    this.#wanted = topics
    if (this.#link !== undefined) {
      this.#link.want(topics)
      return
    }
    this.#listener.onState(topics.length > 0 ? CONNECTING : CLOSED)
    if (topics.length > 0 && !this.#isLoading) {
      this.#isLoading = true
      // Without locks tabs cannot share, so there is nothing to load.
      if (!globalThis.navigator?.locks) this.#use(new Multiplexer(this.#options, this.#listener))
      else void this.#load()
    }
  }

  reconnect(): void {
    this.#link?.reconnect()
  }

  current(topic: string): Iterable<Envelope> {
    return this.#link?.current(topic) ?? []
  }

  async #load(): Promise<void> {
    try {
      const { canShare, TabLink, tabsName } = await import('./tabs.js')
      if (!(await canShare())) throw new Error('tabs cannot share a connection here')
      this.#use(new TabLink(await soon(tabsName(this.#options)), this.#options, this.#listener))
    } catch {
      // The script or a token could not be loaded, or not soon. A connection of this tab reports why.
      this.#use(new Multiplexer(this.#options, this.#listener))
    }
  }

  #use(link: TopicLink): void {
    this.#link = link
    if (this.#wanted.length > 0) link.want(this.#wanted)
  }
}

/** Returns what a promise brings, if it brings it in time. */
function soon<Value>(promise: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(reject, TOKEN_TIMEOUT)
    void promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
