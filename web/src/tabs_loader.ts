import type { ServerOptions } from './connection.js'
import { Multiplexer, type TopicLink, type TopicListener } from './multiplexer.js'

/** Shares a connection with other tabs where the browser can; the code for that is fetched when the first topic is wanted. */
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
      // Where there are no locks there is nothing to load.
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
      if (!(await canShare())) throw new Error('tabs cannot share here')
      this.#use(new TabLink(await tabsName(this.#options), this.#options, this.#listener))
    } catch {
      // The script or a token cannot be had; a connection of its own says what is wrong.
      this.#use(new Multiplexer(this.#options, this.#listener))
    }
  }

  #use(link: TopicLink): void {
    this.#link = link
    link.want(this.#wanted)
  }
}
