import type { IncomingMessage, ServerResponse } from 'node:http'
import { open, TestServer } from './server.js'

interface Stream {
  readonly id: string
  topics: string[]
  interval: number
  token: string | undefined
  readonly response: ServerResponse
}

/** The part of Pricewire that the library talks to: streams of topics that snapshot, resume and change, on a real socket. */
export class Pricewire {
  /** The open streams. */
  readonly streams: Stream[] = []
  /** What was asked for: `GET A,B`, `PATCH +B -A`. */
  readonly asked: string[] = []
  /** Topics that there are not. */
  readonly unknown = new Set<string>()
  /** How many topics an address may name. */
  longest = Number.POSITIVE_INFINITY
  /** Whether a token is taken. */
  isValid: (token: string | undefined) => boolean = () => true
  /** What is answered to changes instead, where it is a status. */
  changeStatus: number | undefined
  /** Whether changes take effect, but are not confirmed. */
  isMute = false
  /** Whether changes take effect, but are not answered. */
  isSilent = false
  /** What a topic is called here. */
  nameOf: (topic: string) => string = (topic) => topic

  /** How many of the first events nobody can resume after. */
  #forgotten = 0
  readonly #events: { topic: string; text: string }[] = []
  readonly #server = new TestServer((request, response) => this.#serve(request, response))

  get url(): string {
    return this.#server.url
  }

  get requests(): IncomingMessage[] {
    return this.#server.requests
  }

  async start(): Promise<this> {
    await this.#server.start()
    return this
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }

  /** Publishes the next event of a topic. */
  publish(topic: string, data: object = {}): void {
    const seq = this.#events.filter((event) => event.topic === topic).length + 1
    const id = this.#events.length + 1
    const envelope = { event: 'tick', subscription_id: topic, seq, data }
    const text = `id: ${id}\ndata: ${JSON.stringify(envelope)}\n\n`
    this.#events.push({ topic, text })
    for (const stream of this.streams) if (carries(stream.topics, topic)) stream.response.write(text)
  }

  /** Writes to all streams. */
  write(text: string): void {
    for (const { response } of this.streams) response.write(text)
  }

  /** Cuts all connections. */
  cut(): void {
    for (const { response } of this.streams) response.destroy()
  }

  /** Cuts all connections; who comes back begins anew. */
  restart(): void {
    this.#forgotten = this.#events.length + 1
    this.cut()
  }

  /** The topics of each open stream. */
  get topics(): string[][] {
    return this.streams.map(({ topics }) => topics)
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url)
    const token = request.headers.authorization?.replace('Bearer ', '')
    if (!this.isValid(token)) refuse(response, 401, 'UNAUTHORIZED', 'the token is not valid')
    else if (request.method === 'PATCH')
      this.#readChange(request, response, url.pathname.split('/').at(-1) ?? '', token)
    else this.#open(request, response, url.searchParams, token)
  }

  #open(request: IncomingMessage, response: ServerResponse, query: URLSearchParams, token: string | undefined): void {
    const asked = query.getAll('topic')
    const topics = [...new Set(asked.map(this.nameOf))]
    const last = request.headers['last-event-id']
    this.asked.push(`GET ${asked}${last === undefined ? '' : ` after ${last}`}`)
    const bad = topics.find((topic) => this.unknown.has(topic))
    if (bad !== undefined) {
      refuse(response, 404, 'NOT_FOUND', `there is no ${bad}`)
      return
    }
    if (topics.length > this.longest) {
      refuse(response, 414, 'REQUEST_TOO_LARGE', 'the address of the request is too long')
      return
    }
    const stream = {
      id: `s${this.requests.length}`,
      topics,
      interval: Number(query.get('interval_ms')),
      token,
      response,
    }
    const missed = this.#events.slice(Number(last)).filter(({ topic }) => carries(topics, topic))
    const resumes = last !== undefined && Number(last) >= this.#forgotten
    const first = resumes ? missed.map(({ text }) => text).join('') : this.#snapshot(topics)
    this.streams.push(stream)
    response.on('close', () => {
      if (this.streams.includes(stream)) this.streams.splice(this.streams.indexOf(stream), 1)
    })
    const start = resumes ? 'resumed' : last === undefined ? 'snapshot' : 'reset'
    open(response, '', { 'Pricewire-Stream': stream.id, 'Pricewire-Start': start, 'Pricewire-Heartbeat': '15' })
    const names = this.#names(asked)
    if (!resumes && Object.keys(names).length > 0)
      response.write(changed({ topics, interval_ms: stream.interval, names }))
    response.write(first)
  }

  #readChange(request: IncomingMessage, response: ServerResponse, id: string, token: string | undefined): void {
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => this.#change(JSON.parse(body), response, id, token))
  }

  #change(
    { add = [], remove = [], interval_ms }: { add?: string[]; remove?: string[]; interval_ms?: number },
    response: ServerResponse,
    id: string,
    token: string | undefined,
  ): void {
    this.asked.push(`PATCH${add.map((topic) => ` +${topic}`).join('')}${remove.map((topic) => ` -${topic}`).join('')}`)
    const stream = this.streams.find((stream) => stream.id === id)
    const bad = add.find((topic) => this.unknown.has(topic))
    if (this.changeStatus !== undefined) refuse(response, this.changeStatus, 'REFUSED', 'no')
    else if (stream === undefined) refuse(response, 404, 'NOT_FOUND', `there is no open stream ${id}`)
    else if (bad !== undefined) refuse(response, 404, 'NOT_FOUND', `there is no ${bad}`)
    else {
      const added = add.map(this.nameOf)
      const snapshot = this.#snapshot(added, stream.topics).replace(/^id: .*\n/gm, '')
      stream.topics = [...stream.topics.filter((topic) => !remove.includes(topic)), ...added]
      stream.interval = interval_ms ?? stream.interval
      stream.token = token
      const state = { topics: stream.topics, interval_ms: stream.interval, names: this.#names(add) }
      if (!this.isMute) stream.response.write(`${snapshot}id: ${this.#events.length}\n${changed(state)}`)
      if (this.isSilent) return
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ data: state }))
    }
  }

  /** The names here of what has other ones there. */
  #names(asked: string[]): Record<string, string> {
    return Object.fromEntries(asked.map((name) => [name, this.nameOf(name)]).filter(([name, topic]) => name !== topic))
  }

  /** The newest event of each topic that was not carried before: each has one, and a pattern those that there are. */
  #snapshot(topics: string[], before: string[] = []): string {
    for (const topic of topics)
      if (!topic.endsWith('*') && !this.#events.some((event) => event.topic === topic)) this.publish(topic)
    const known = [...new Set(this.#events.map(({ topic }) => topic))]
    const named = [...topics, ...known.filter((topic) => !topics.includes(topic))]
    // In the order of their publishing; only the last one has an id, so that who is cut off before it begins anew.
    const newest = named
      .filter((topic) => carries(topics, topic) && !carries(before, topic))
      .map((topic) => this.#events.findLastIndex((event) => event.topic === topic))
      .filter((place) => place >= 0)
      .sort((one, other) => one - other)
    return newest
      .map((place) => this.#events[place]?.text ?? '')
      .map((text, index) => (index < newest.length - 1 ? text.replace(/^id: .*\n/, '') : text))
      .join('')
  }
}

/** Whether a topic is among some, by its name or by a pattern. */
function carries(topics: readonly string[], topic: string): boolean {
  return topics.some((each) => each === topic || (each.endsWith('*') && topic.startsWith(each.slice(0, -1))))
}

function changed(state: object): string {
  return `event: changed\ndata: ${JSON.stringify(state)}\n\n`
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify({ error: { code, message } }))
}

/** Returns a JSON Web Token with these claims; nobody here looks at its signature. */
export function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.x`
}
