import type { Problem } from './problem.js'

/** An event of an event stream, as the standard dispatches it. */
export interface DecodedEvent {
  /** `message` where the stream gave no type. */
  readonly type: string
  /** The data lines, joined by line feeds. */
  readonly data: string
  /** The id of this event or, where it has none, of the last event that had one. */
  readonly lastEventId: string
}

const DIGITS = /^[0-9]+$/

/** The default limit of an event, in bytes: far above any price, and far below what hurts a page. */
const MAX_EVENT_SIZE = 16 * 1024 * 1024

/**
 * Turns the bytes of an event stream into its events, chunk by chunk, wherever the chunks were cut.
 *
 * Every character is looked at once: an event of many megabytes in small chunks costs no more than in one.
 *
 * Source: WHATWG HTML, sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
 */
export class EventStreamDecoder {
  /**
   * What `Last-Event-ID` should say when resuming. It moves with an event's blank line, also where that event has only an id and
   * is never dispatched; so an event that was cut off is asked for again.
   */
  lastEventId: string
  /** The last `retry:` field, in milliseconds. */
  retry: number | undefined
  /** Why nothing more is read: an event exceeds the limit. */
  problem: Problem | undefined

  // It removes one byte order mark, and holds back a character of which only some bytes have come.
  readonly #utf8 = new TextDecoder()
  #line = ''
  #isInComment = false
  #skipLineFeed = false
  #data: string | undefined
  #type = ''
  #id: string
  readonly #limit: number
  // The size of the event that is coming, in bytes: the most that it can be or, while #isCounting, just what it is. To count takes as long
  // as to decode, so it is done only near the limit.
  #size = 0
  #isCounting = false

  /**
   * @param lastEventId - the id to go on from; later events without an id keep it, as in the browsers' own EventSource.
   * @param maxEventSize - the greatest size of an event: what has to be kept for it until its blank line comes, in bytes of UTF-8. That is
   * the values of its data lines, with one byte for each line end between them, its type, its id unless that is the last event's, and the line
   * being read. Comments cost nothing. Default 16 MiB.
   */
  constructor(lastEventId = '', maxEventSize = MAX_EVENT_SIZE) {
    this.lastEventId = lastEventId
    this.#id = lastEventId
    this.#limit = maxEventSize
  }

  /**
   * Returns the events that this chunk completes. Where one exceeds the limit, {@link EventStreamDecoder.problem} says so, and what follows
   * is not read.
   *
   * @param chunk - the next bytes of the stream, any number of them.
   */
  feed(chunk: Uint8Array): DecodedEvent[] {
    const events: DecodedEvent[] = []
    const text = this.#utf8.decode(chunk, { stream: true })
    if (this.problem) return events
    if (text === '') return events // and #skipLineFeed stays: a chunk may hold only part of a character
    const isCounting = this.#decideToCount(3 * text.length) // bytes; no character takes more
    // The line of a CR ended with it, so a LF that comes first in the next chunk is the other half of a CRLF.
    let start = this.#skipLineFeed && text.charCodeAt(0) === 10 ? 1 : 0
    this.#skipLineFeed = false
    // Looked for again only when passed; else a chunk of many lines and no CR would be searched to its end for each.
    let cr = text.indexOf('\r', start)
    let lf = text.indexOf('\n', start)
    while (cr !== -1 || lf !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr
      // Taken as soon as CR is seen: to wait for what follows it would hold an event back until the next one.
      if (this.#isInComment) this.#isInComment = false
      else if (this.#line === '' && (!isCounting || text[start] === ':')) this.#takeLine(text, start, end, events)
      else {
        const line = this.#line + text.slice(start, end)
        if (isCounting) this.#count(line)
        if (this.problem) return events
        this.#line = ''
        this.#takeLine(line, 0, line.length, events)
      }
      start = end + 1
      if (end === cr) {
        if (start === text.length) this.#skipLineFeed = true
        else if (start === lf) start += 1
        cr = text.indexOf('\r', start)
      }
      if (lf !== -1 && lf < start) lf = text.indexOf('\n', start)
    }
    if (start < text.length && !this.#isInComment) {
      // Nothing of a comment is kept, however long it is.
      if (this.#line === '' && text.charCodeAt(start) === 58) this.#isInComment = true
      else {
        const rest = text.slice(start)
        this.#line += rest
        if (isCounting) this.#grow(bytesOf(rest))
      }
    }
    return events
  }

  /** Takes the line between two places of a text. Nearly all are of `data` and `id`: these are not looked through for their colon. */
  #takeLine(text: string, start: number, end: number, events: DecodedEvent[]): void {
    if (start === end) this.#dispatch(events)
    else if (text.startsWith('data:', start)) this.#addData(text.slice(afterSpace(text, start + 5), end))
    else if (text.startsWith('id:', start)) this.#takeField('id', text.slice(afterSpace(text, start + 3), end))
    else this.#takeField(...fieldOf(text.slice(start, end)))
  }

  #addData(value: string): void {
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`
  }

  #takeField(name: string, value: string): void {
    if (name === 'data') this.#addData(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id') {
      if (!value.includes('\0')) this.#id = value
    } else if (name === 'retry' && DIGITS.test(value)) this.retry = Number(value)
  }

  #dispatch(events: DecodedEvent[]): void {
    this.lastEventId = this.#id
    // Even `data:` with nothing after it is data; without any line of it nothing is dispatched.
    if (this.#data !== undefined)
      events.push({ type: this.#type || 'message', data: this.#data, lastEventId: this.#id })
    this.#data = undefined
    this.#type = ''
  }

  /** Decides whether to count what is kept while so many more bytes come. */
  #decideToCount(most: number): boolean {
    if (this.#isCounting) {
      // Not as soon as it might: then a few more bytes would have all counted again.
      this.#isCounting = 2 * (this.#size + most) > this.#limit
    } else if (this.#size + most > this.#limit) {
      this.#isCounting = true
      this.#size = bytesOf(this.#line) + bytesOf(this.#data) + bytesOf(this.#type) + this.#idSize(this.#id)
    }
    if (!this.#isCounting) this.#size += most
    return this.#isCounting
  }

  /** Counts a line, of which what came with earlier chunks is counted, and then only what it leaves. */
  #count(line: string): void {
    this.#grow(bytesOf(line) - bytesOf(this.#line))
    const [name, value] = fieldOf(line)
    if (line === '') this.#size = 0
    else if (name === 'data') this.#size += bytesOf(value) + (this.#data === undefined ? 0 : 1)
    else if (name === 'event') this.#size += bytesOf(value) - bytesOf(this.#type)
    else if (name === 'id' && !value.includes('\0')) this.#size += this.#idSize(value) - this.#idSize(this.#id)
    this.#size -= bytesOf(line)
  }

  /** What an id takes that is not kept already. */
  #idSize(id: string): number {
    return id === this.lastEventId ? 0 : bytesOf(id)
  }

  #grow(bytes: number): void {
    this.#size += bytes
    if (this.#size > this.#limit) {
      const message = `an event of ${this.#size} bytes exceeds the limit of ${this.#limit} bytes`
      this.problem = { code: 'EVENT_TOO_LARGE', message }
    }
  }
}

/** Exactly one space before a value is dropped; a second one belongs to it. */
function afterSpace(text: string, place: number): number {
  return text.charCodeAt(place) === 32 ? place + 1 : place
}

/** Returns the name and the value of a line. The name of a comment is empty. */
function fieldOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  return colon === -1 ? [line, ''] : [line.slice(0, colon), line.slice(afterSpace(line, colon + 1))]
}

/** Returns how many bytes a text has in UTF-8. */
function bytesOf(text = ''): number {
  let bytes = text.length
  for (let place = 0; place < text.length; place += 1) {
    const unit = text.charCodeAt(place)
    // The two halves of a character beyond the first plane have four bytes together.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1
  }
  return bytes
}
