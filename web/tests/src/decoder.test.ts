import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type DecodedEvent, EventStreamDecoder } from '../../src/decoder.js'

interface Vector {
  name: string
  section: string
  /** Each character is one byte. */
  input: string
  events: { type: string; data: string; last_event_id: string }[]
  last_event_id: string
  retry: number | null
}

const VECTORS: Vector[] = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/event_stream.json', import.meta.url), 'utf8'),
)

function decode(chunks: Iterable<Uint8Array>) {
  const decoder = new EventStreamDecoder()
  const events: DecodedEvent[] = []
  for (const chunk of chunks) events.push(...decoder.feed(chunk))
  return { events, lastEventId: decoder.lastEventId, retry: decoder.retry ?? null }
}

function* cut(bytes: Uint8Array, places: Iterable<number>): Generator<Uint8Array> {
  let start = 0
  for (const place of [...[...places].sort((a, b) => a - b), bytes.length]) {
    yield bytes.subarray(start, place)
    start = place
  }
}

/** Numbers that look random and are the same in every run. */
function* random(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0
    yield state / 2 ** 32
  }
}

describe.each(VECTORS)('$section: $name', (vector) => {
  const bytes = Buffer.from(vector.input, 'latin1')
  const expected = {
    events: vector.events.map(({ type, data, last_event_id }) => ({ type, data, lastEventId: last_event_id })),
    lastEventId: vector.last_event_id,
    retry: vector.retry,
  }

  it('in one piece', () => {
    expect(decode([bytes])).toEqual(expected)
  })

  it('byte by byte, with empty chunks between', () => {
    expect(decode(cut(bytes, [...bytes.keys(), ...bytes.keys()]))).toEqual(expected)
  })

  it('cut at every single place', () => {
    for (const place of bytes.keys()) expect(decode(cut(bytes, [place])), `cut at ${place}`).toEqual(expected)
  })
})

describe('EventStreamDecoder', () => {
  it('gives the same answer however a stream is cut', () => {
    const pieces = [
      'data',
      ':',
      ' ',
      '\n',
      '\r',
      '\r\n',
      '\n\n',
      'id',
      'event',
      'retry',
      '7',
      'é',
      '€',
      '😀',
      '\ufeff',
      '\0',
      'x',
    ]
    const chance = random(7)
    const next = () => chance.next().value as number
    for (let round = 0; round < 500; round += 1) {
      const length = Math.floor(next() * 60)
      const text = Array.from({ length }, () => pieces[Math.floor(next() * pieces.length)]).join('')
      const bytes = new TextEncoder().encode(text)
      const places = Array.from({ length: 5 }, () => Math.floor(next() * bytes.length))
      expect(decode(cut(bytes, places)), JSON.stringify(text)).toEqual(decode([bytes]))
    }
  })

  it('takes an event at its blank line, and does not wait for what follows a CR', () => {
    const decoder = new EventStreamDecoder()
    expect(decoder.feed(new TextEncoder().encode('data: a\r\r'))).toHaveLength(1)
    expect(decoder.feed(new TextEncoder().encode('\ndata: b\r\n\r'))).toHaveLength(1)
  })

  it('goes on from an id, which events without one keep', () => {
    const decoder = new EventStreamDecoder('41')
    expect(decoder.lastEventId).toBe('41')
    expect(decoder.feed(new TextEncoder().encode('data: a\n\n'))[0]?.lastEventId).toBe('41')
  })

  it('reads a big event in small chunks as fast as its size demands', () => {
    const bytes = new TextEncoder().encode(`data: ${'x'.repeat(8 << 20)}\n\n`)
    const places = Array.from({ length: bytes.length >> 6 }, (_, index) => index << 6)
    const started = performance.now()
    const { events } = decode(cut(bytes, places))
    expect(events[0]?.data).toHaveLength(8 << 20)
    // 131,072 chunks take some 50 ms; looking again at what came before, they took minutes.
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
