import type { ServerOptions } from './connection.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'

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
    if (this.#link !== undefined) this.#link.want(topics)
    else if (topics.length > 0 && !this.#isLoading) {
      this.#isLoading = true
      // Without locks tabs cannot share, so there is nothing to load.
      if (!globalThis.navigator?.locks) this.#use(new Multiplexer(this.#options, this.#listener))
      else void this.#load()
    }
  }

  reconnect(): void {
    this.#link?.reconnect()
  }

  async #load(): Promise<void> {
    try {
      const { canShare, TabLink, tabsName } = await import('./tabs.js')
      if (!(await canShare())) throw new Error('tabs cannot share a connection here')
      this.#use(new TabLink(await tabsName(this.#options), this.#options, this.#listener))
    } catch {
      // The script or a token could not be loaded. A connection of this tab reports why.
      this.#use(new Multiplexer(this.#options, this.#listener))
    }
  }

  #use(link: TopicLink): void {
    this.#link = link
    link.want(this.#wanted)
  }
}
