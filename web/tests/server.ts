import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers one request; `count` says how many there were before. */
export type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A real HTTP server on a free port. */
export class TestServer {
  readonly requests: IncomingMessage[] = []
  readonly #waiting: { count: number; resolve: () => void }[] = []
  readonly #server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Access-Control-Allow-Headers', '*, Authorization')
    response.setHeader('Access-Control-Allow-Methods', '*')
    response.setHeader('Access-Control-Expose-Headers', '*')
    if (request.method === 'OPTIONS') {
      response.end()
      return
    }
    const count = this.requests.push(request) - 1
    this.handler(request, response, count)
    for (const { count, resolve } of this.#waiting) if (this.requests.length >= count) resolve()
  })

  handler: Handler
  url = ''

  constructor(handler: Handler) {
    this.handler = handler
  }

  /** Returns the query of a request. */
  query(index: number): URLSearchParams {
    return new URL(this.requests[index]?.url ?? '', this.url).searchParams
  }

  /** Resolves when so many requests have come. */
  async requested(count: number): Promise<void> {
    if (this.requests.length >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }

  /** Listens; after a stop on the same port again. */
  async start(): Promise<this> {
    this.#server.listen(Number(new URL(this.url || 'http://127.0.0.1').port), '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

/** Opens the stream and leaves it open. */
export function open(response: ServerResponse, text = '', headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', ...headers })
  response.flushHeaders()
  response.write(text)
}

/** Servers that do wrong, by what they do. */
export const BAD = {
  /** Cuts the connection in the middle of an event, after a whole one; then all is well. */
  cutMidEvent: (_, response, count) => {
    open(response, count === 0 ? 'id: 1\ndata: whole\n\nid: 2\ndata: hal' : 'id: 2\ndata: half\n\n')
    if (count === 0) setImmediate(() => response.destroy())
  },
  /** Fails once, and then all is well. */
  failOnce: (_, response, count) => {
    if (count > 0) return open(response, 'data: ok\n\n')
    response.writeHead(503, { 'Content-Type': 'application/json' })
    response.end('{"error":{"code":"SERVER_DRAINING","message":"coming back"}}')
  },
  /** Fails with a body that never ends. */
  endlessError: (_, response) => {
    response.writeHead(500)
    response.write('{')
  },
  /** Has nothing to say. */
  noContent: (_, response) => {
    response.writeHead(204)
    response.end()
  },
  /** Sends a page where a stream was asked for. */
  wrongType: (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    response.end('<h1>It works!</h1>')
  },
  /** Asks to come back at once, for ever. */
  retryZero: (_, response) => {
    open(response, 'retry: 0\ndata: x\n\n')
    response.end()
  },
  /** Opens and closes, without an event. */
  openAndClose: (_, response) => {
    open(response)
    response.end()
  },
  /** Announces a heartbeat, and sends none. */
  silent: (_, response) => open(response, 'data: x\n\n', { 'Pricewire-Heartbeat': '0.03' }),
} satisfies Record<string, Handler>
