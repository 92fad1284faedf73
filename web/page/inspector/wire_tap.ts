/** One block of an event stream, up to its blank line, exactly as it came. */
export interface RawEvent {
  /** A number that grows by one with each. */
  readonly number: number
  /** When it came, in milliseconds since 1970. */
  readonly at: number
  readonly text: string
}

type Listener = (event: RawEvent) => void

/**
 * A `fetch` that lets others look at the event streams that go through it.
 *
 * It changes nothing: what comes is passed on as it is. Bytes are counted behind the browser's decompression. Headers are not shown, so
 * that no token is.
 */
export class WireTap {
  /** How many bytes of event streams have come. */
  bytes = 0

  readonly #listeners = new Set<Listener>()
  readonly #fetch = globalThis.fetch
  #number = 0

  /** Fetches as the browser's `fetch` does. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await this.#fetch.call(globalThis, input, init)
    const { body, headers, status, statusText } = response
    if (body === null || !headers.get('Content-Type')?.startsWith('text/event-stream')) return response
    return new Response(body.pipeThrough(this.#watch()), { headers, status, statusText })
  }

  /** Calls the listener with each block, until the returned function is called. */
  listen(listener: Listener): () => void {
    const own: Listener = (event) => listener(event)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  #watch(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
    const utf8 = new TextDecoder()
    let rest = ''
    return new TransformStream({
      transform: (chunk, controller) => {
        controller.enqueue(chunk)
        this.bytes += chunk.byteLength
        if (this.#listeners.size === 0) {
          rest = '' // whoever begins to listen in the middle of a block gets the half of it that is to come
          return
        }
        const blocks = (rest + utf8.decode(chunk, { stream: true })).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const text of blocks) {
          this.#number += 1
          const event = { number: this.#number, at: Date.now(), text }
          for (const listener of this.#listeners) listener(event)
        }
      },
    })
  }
}

/** The tap on everything that this page streams. */
export const tap = new WireTap()
