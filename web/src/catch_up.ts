import type { ServerOptions } from './connection.js'
import type { Envelope } from './messages.js'
import { Multiplexer, type Resumption } from './multiplexer.js'

/** How long catching up may take, in milliseconds. */
const LONGEST = 20_000

/** Who is told what comes of a {@link CatchUp}. */
interface CatchUpListener {
  readonly onEnvelope: (envelope: Envelope, id: string) => void
  /** The server could not resume: the topic's next value is a new beginning. */
  readonly onDropped: (topic: string) => void
  /** It has ended without having brought these topics' events. */
  readonly onFailed: (topics: readonly string[]) => void
}

/**
 * A connection of its own by which a tab gets what it has missed of topics while it was away, since the leading tab keeps only newest values.
 *
 * It ends when the tab has had, of each topic, what the leader had told of it.
 */
export class CatchUp {
  readonly #left: Set<string>
  readonly #link: Multiplexer
  readonly #timer: ReturnType<typeof setTimeout>

  constructor(options: ServerOptions, start: Resumption, { onEnvelope, onDropped, onFailed }: CatchUpListener) {
    this.#left = new Set(start.topics)
    const fail = () => {
      const topics = [...this.#left]
      this.end()
      onFailed(topics)
    }
    const wanted = (topic: string) => this.#left.has(topic)
    const listener = {
      onEnvelope: (envelope: Envelope, id: string) => wanted(envelope.subscription_id) && onEnvelope(envelope, id),
      onStale: () => {}, // the leader tells it
      onRefused: fail,
      onDropped: (topic: string, isAnew?: boolean) => isAnew && wanted(topic) && onDropped(topic),
      onState: ({ status }: { status: string }) => status === 'closed' && this.#left.size > 0 && fail(),
      onError: () => {},
    }
    this.#timer = setTimeout(fail, LONGEST)
    this.#link = new Multiplexer(options, listener, false, start)
  }

  /** The topics of which something is missing. */
  get topics(): ReadonlySet<string> {
    return this.#left
  }

  /** Notes that nothing more is missing of a topic. */
  reached(topic: string): void {
    if (this.#left.delete(topic) && this.#left.size === 0) this.end()
  }

  /** Ends it. */
  end(): void {
    this.#left.clear()
    clearTimeout(this.#timer)
    this.#link.want([])
  }
}
