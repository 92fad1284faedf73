import { afterEach, beforeEach, expect, it } from 'vitest'
import { RequestError, request, requestData } from '../../page/requests.js'
import { type Handler, TestServer } from '../server.js'

let server: TestServer
let handler: Handler
beforeEach(async () => {
  server = await new TestServer((...all) => handler(...all)).start()
})
afterEach(() => server.stop())

const answer =
  (status: number, body: string, headers: Record<string, string> = {}): Handler =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
    response.end(body)
  }

it('sends a body as JSON, and a token where only the server sees it', async () => {
  handler = answer(200, '{"data":{"ok":true}}')
  expect(await requestData(`${server.url}/v1/x`, { body: { a: 1 }, token: 'secret' })).toEqual({ ok: true })
  const [sent] = server.requests
  expect(sent?.method).toBe('POST')
  expect(sent?.headers.authorization).toBe('Bearer secret')
  expect(sent?.url).not.toContain('secret')
})

it('throws what the server says', async () => {
  handler = answer(429, '{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"slower"}}', { 'Retry-After': '7' })
  const error = await request(server.url).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(RequestError)
  expect(error).toMatchObject({ message: 'slower', status: 429, code: 'RATE_LIMIT_EXCEEDED', retryAfter: 7 })
})

it('throws the status of an answer that is no JSON', async () => {
  handler = answer(502, '<h1>Bad Gateway</h1>')
  await expect(request(server.url)).rejects.toMatchObject({ status: 502, code: undefined })
})

it('throws without a status where there is no answer', async () => {
  const { url } = server
  await server.stop()
  await expect(request(url)).rejects.toMatchObject({ message: 'the server cannot be reached', status: undefined })
})

it('throws without a status where an answer breaks off: nobody knows what was done', async () => {
  handler = (_, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' })
    response.write('{"data"', () => response.destroy())
  }
  await expect(request(server.url)).rejects.toMatchObject({ status: undefined })
})

it('throws the reason of the signal', async () => {
  const leaving = new AbortController()
  handler = () => leaving.abort(new Error('left'))
  await expect(request(server.url, { signal: leaving.signal })).rejects.toThrow('left')
})
