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

interface LimitVector {
  name: string
  limit: number
  /** Each character is one byte. */
  chunks: (string | { repeat: string; times: number })[]
  events: { type: string; data: string; id: string }[]
  too_large: boolean
}

const LIMITS: LimitVector[] = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/event_limits.json', import.meta.url), 'utf8'),
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

describe('the limit of an event', () => {
  describe.each(LIMITS)('$name', ({ limit, chunks, events, too_large }) => {
    const bytes = chunks.map((chunk) =>
      Buffer.from(typeof chunk === 'string' ? chunk : chunk.repeat.repeat(chunk.times), 'latin1'),
    )
    const whole = Buffer.concat(bytes)
    const expected = {
      events: events.map(({ type, data, id }) => ({ type, data, lastEventId: id })),
      code: too_large ? 'EVENT_TOO_LARGE' : undefined,
    }

    it.each<[string, Iterable<Uint8Array>]>([
      ['as it is cut', bytes],
      ['in one piece', [whole]],
      ['byte by byte', cut(whole, whole.keys())],
    ])('%s', (_, pieces) => {
      expect(decodeWithin(limit, pieces)).toEqual(expected)
    })

    it('cut at every single place', () => {
      for (let place = 0; place < Math.min(whole.length, 200); place += 1)
        expect(decodeWithin(limit, cut(whole, [place])), `cut at ${place}`).toEqual(expected)
    })
  })

  it('agrees with one that counts everything, however a stream is cut', () => {
    const chance = random(11)
    const next = (below: number) => Math.floor((chance.next().value as number) * below)
    const pieces = [
      'data:',
      'id:',
      'event:',
      'x:',
      ':',
      ' ',
      '\n',
      '\n',
      '\n\n',
      'ab',
      'é',
      '€',
      '😀',
      'cdefgh',
      'retry:7',
    ]
    const outcomes = new Set<string | undefined>()
    for (let round = 0; round < 3000; round += 1) {
      const limit = 8 + next(40)
      const chunks = Array.from({ length: 1 + next(12) }, () =>
        Array.from({ length: next(8) }, () => pieces[next(pieces.length)]).join(''),
      )
      const encoded = chunks.map((chunk) => new TextEncoder().encode(chunk))
      const expected = countEverything(chunks.join(''), limit)
      expect(decodeWithin(limit, encoded), JSON.stringify([limit, chunks])).toEqual(expected)
      outcomes.add(expected.code)
    }
    expect(outcomes.size).toBe(2)
  })

  it('is 16 MiB by default', { timeout: 60_000 }, () => {
    const limit = 2 ** 24
    const bytes = new Uint8Array(limit + 2).fill(120)
    bytes.set(new TextEncoder().encode('data:'))
    bytes.fill(10, limit)
    expect(decode([bytes]).events).toHaveLength(1)
    const decoder = new EventStreamDecoder()
    expect(decoder.feed(bytes.fill(120, limit))).toEqual([])
    expect(decoder.problem).toEqual({
      code: 'EVENT_TOO_LARGE',
      message: 'an event of 16777218 bytes exceeds the limit of 16777216 bytes',
    })
    expect(decoder.feed(new TextEncoder().encode('\n\ndata: a\n\n'))).toEqual([])
  })

  it('is not reached by comments and streams, however long', () => {
    const decoder = new EventStreamDecoder('', 100)
    const text = new TextEncoder()
    const comment = text.encode(`${'x'.repeat(64)}:`)
    decoder.feed(text.encode(`data: ${'x'.repeat(90)}\n:`))
    for (let count = 0; count < 10_000; count += 1) decoder.feed(comment)
    expect(decoder.feed(text.encode('\n\n'))).toHaveLength(1)
    const event = text.encode(`data: ${'y'.repeat(94)}\n\n`)
    for (let count = 0; count < 1000; count += 1) expect(decoder.feed(event)).toHaveLength(1)
    expect(decoder.problem).toBeUndefined()
  })
})

function decodeWithin(limit: number, chunks: Iterable<Uint8Array>) {
  const decoder = new EventStreamDecoder('', limit)
  const events = [...chunks].flatMap((chunk) => decoder.feed(chunk))
  return { events, code: decoder.problem?.code }
}

/** Decodes a stream whose lines end with LF, and counts all that is kept after each character. */
function countEverything(text: string, limit: number) {
  const events: DecodedEvent[] = []
  let [data, type, id, lastEventId, line]: [string[], string, string, string, string] = [[], '', '', '', '']
  for (const character of text) {
    if (character !== '\n') {
      line += character
      const kept = data.join('\n') + type + (id === lastEventId ? '' : id) + line
      if (line[0] !== ':' && Buffer.byteLength(kept) > limit) return { events, code: 'EVENT_TOO_LARGE' }
      continue
    }
    const [, name, value = ''] = /^(data|event|id)(?:: ?(.*))?$/.exec(line) ?? []
    if (name === 'data') data.push(value)
    if (name === 'event') type = value
    if (name === 'id') id = value
    if (line === '') {
      lastEventId = id
      if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), lastEventId })
      data = []
      type = ''
    }
    line = ''
  }
  return { events, code: undefined }
}
