// Decodes streams with the browser client's decoder: a line of JSON for each, an array of its chunks in hexadecimal digits.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const { EventStreamDecoder } = await import(pathToFileURL(process.argv[2]).href)
for await (const line of createInterface({ input: process.stdin })) {
  const decoder = new EventStreamDecoder()
  const events = JSON.parse(line).flatMap((chunk) => decoder.feed(Buffer.from(chunk, 'hex')))
  const found = events.map(({ type, data, lastEventId }) => [type, data, lastEventId])
  const retry = decoder.retry === undefined ? null : BigInt(decoder.retry === Infinity ? Number.MAX_VALUE : decoder.retry).toString()
  process.stdout.write(`${JSON.stringify([found, decoder.lastEventId, retry])}\n`)
}
