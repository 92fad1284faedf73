import { afterEach, beforeEach, expect, it } from 'vitest'
import { type RawEvent, WireTap } from '../../../page/inspector/wire_tap.js'
import { open, TestServer } from '../../server.js'

let server: TestServer
let write: (text: string) => void
beforeEach(async () => {
  server = await new TestServer((request, response) => {
    if (request.url === '/json') {
      response.setHeader('Content-Type', 'application/json')
      response.end('{}')
      return
    }
    open(response)
    write = (text) => void response.write(text)
  }).start()
})
afterEach(() => server.stop())

it('passes everything on as it is, and shows it block by block', async () => {
  const tap = new WireTap()
  const seen: RawEvent[] = []
  const end = tap.listen((event) => seen.push(event))
  const response = await tap.fetch(server.url)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const read = async () => new TextDecoder().decode((await reader.read()).value)

  write('id: 1\ndata: whole\n\nid: 2\nda')
  expect(await read()).toBe('id: 1\ndata: whole\n\nid: 2\nda')
  expect(seen.map(({ text }) => text)).toEqual(['id: 1\ndata: whole'])
  write('ta: half\n\n')
  expect(await read()).toBe('ta: half\n\n')
  expect(seen.map(({ number, text }) => [number, text])).toEqual([
    [1, 'id: 1\ndata: whole'],
    [2, 'id: 2\ndata: half'],
  ])
  expect(tap.bytes).toBe(37)

  end()
  write('data: unseen\n\n')
  expect(await read()).toBe('data: unseen\n\n')
  expect(seen).toHaveLength(2)
  expect(tap.bytes).toBe(51)
  await reader.cancel()
})

it('leaves everything else alone', async () => {
  const tap = new WireTap()
  const response = await tap.fetch(`${server.url}/json`)
  expect(await response.json()).toEqual({})
  expect(tap.bytes).toBe(0)
})
