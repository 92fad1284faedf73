/** One block of an event stream, up to its blank line, unchanged. */
export interface RawEvent {
  /** 1 for the first event, and one more for each that follows. */
  readonly number: number
  /** When it arrived, in milliseconds since 1970. */
  readonly at: number
  readonly text: string
}

type Listener = (event: RawEvent) => void

/**
 * A `fetch` that shows listeners the event streams that it fetches.
 *
 * The streams pass through unchanged. Bytes are counted after decompression. Headers are not shown, because they hold the token.
 */
export class WireTap {
  /** The number of bytes of event streams received. */
  bytes = 0

  readonly #listeners = new Set<Listener>()
  readonly #fetch = globalThis.fetch
  #number = 0

  /** Fetches like the browser's `fetch`. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await this.#fetch.call(globalThis, input, init)
    const { body, headers, status, statusText } = response
    if (body === null || !headers.get('Content-Type')?.startsWith('text/event-stream')) return response
    return new Response(body.pipeThrough(this.#watch()), { headers, status, statusText })
  }

  /** Calls the listener with each block. Returns the function that stops this. */
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
          rest = '' // a listener that joins in the middle of a block gets its second half
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

/** The tap that all streams of this page go through. */
export const tap = new WireTap()
