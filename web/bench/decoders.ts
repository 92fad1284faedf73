/** Decodes the same stream by this library and by two others: events per second, the best of interleaved rounds. Runs in Node and in browsers. */

import { getLines, getMessages } from '@microsoft/fetch-event-source/lib/esm/parse.js'
import { createParser } from 'eventsource-parser'
import { EventStreamDecoder } from '../src/decoder.js'

/** What takes a stream's chunks and returns how many events were in them. */
type Decode = (chunks: readonly Uint8Array[]) => number

const DECODERS: Record<string, Decode> = {
  pricewire: (chunks) => {
    const decoder = new EventStreamDecoder()
    let count = 0
    for (const chunk of chunks) count += decoder.feed(chunk).length
    return count
  },
  'eventsource-parser': (chunks) => {
    let count = 0
    const parser = createParser({
      onEvent: () => {
        count += 1
      },
    })
    const utf8 = new TextDecoder()
    for (const chunk of chunks) parser.feed(utf8.decode(chunk, { stream: true }))
    return count
  },
  'fetch-event-source': (chunks) => {
    let count = 0
    const take = getLines(
      getMessages(
        () => {},
        () => {},
        () => {
          count += 1
        },
      ),
    )
    for (const chunk of chunks) take(chunk)
    return count
  },
}

function stream(events: number, chunkSize: number): Uint8Array[] {
  const texts = Array.from({ length: events }, (_, n) => {
    const tick = { epoch_ms: String(1_790_000_000_000 + n), price: '1271.27', ask: '1271.32', bid: '1271.22' }
    const envelope = { event: 'tick', subscription_id: 'ticks:R_100', seq: n, data: tick }
    return `id: f85d2772-${n}\ndata: ${JSON.stringify(envelope)}\n\n`
  })
  const bytes = new TextEncoder().encode(texts.join(''))
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) chunks.push(bytes.slice(at, at + chunkSize))
  return chunks
}

/**
 * Returns the events per second of each decoder, for chunks of 16 KiB and of 1,400 bytes.
 *
 * @param events - how many are decoded in a round.
 * @param rounds - how often each decoder has its turn.
 */
export function measure(events: number, rounds: number): Record<string, Record<string, number>> {
  const results: Record<string, Record<string, number>> = {}
  for (const size of [16_384, 1400]) {
    const chunks = stream(events, size)
    const seconds: Record<string, number[]> = Object.fromEntries(Object.keys(DECODERS).map((name) => [name, []]))
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, decode] of Object.entries(DECODERS)) {
        const started = performance.now()
        const count = decode(chunks)
        if (count !== events) throw new Error(`${name} found ${count} of ${events} events`)
        seconds[name]?.push((performance.now() - started) / 1000)
      }
    }
    results[`${size} bytes`] = Object.fromEntries(
      Object.entries(seconds).map(([name, times]) => {
        // Other work on the machine can only make a round slower.
        return [name, Math.round(events / Math.min(...times))]
      }),
    )
  }
  return results
}
