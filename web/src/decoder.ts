import type { Problem } from './problem.js'

/** An event of an event stream, as the standard dispatches it. */
export interface DecodedEvent {
  /** `message` if the stream gave no type. */
  readonly type: string
  /** The data lines, joined by line feeds. */
  readonly data: string
  /** The id of this event or, if it has none, of the last event that had one. */
  readonly lastEventId: string
}

/** What a number of the protocol is written in. */
export const DIGITS = /^[0-9]+$/

/** The default limit of an event, in bytes: far above any message, and far below what slows a page down. */
const MAX_EVENT_SIZE = 16 * 1024 * 1024

/**
 * Decodes the bytes of an event stream into events. Chunks may be cut anywhere.
 *
 * Every character is read once: an event of many megabytes costs the same in many small chunks as in one.
 *
 * Source: WHATWG HTML, sections 9.2.5 "Parsing an event stream" and 9.2.6 "Interpreting an event stream".
 */
export class EventStreamDecoder {
  /**
   * The value of `Last-Event-ID` for resuming. It changes at an event's blank line, even if the event has only an id and is never
   * dispatched. So an event that was cut off is requested again.
   */
  lastEventId: string
  /** The last `retry:` field, in milliseconds. */
  retry: number | undefined
  /** Set when an event exceeds the limit; nothing more is read then. */
  problem: Problem | undefined

  // Removes a byte order mark, and keeps the bytes of an incomplete character for the next chunk.
  // Engines without one have something else decode the bytes.
  readonly #utf8 = globalThis.TextDecoder && new TextDecoder()
  #line = ''
  #isInComment = false
  #skipLineFeed = false
  #data: string | undefined
  #type = ''
  #id: string
  readonly #limit: number
  // The size of the current event, in bytes: an upper bound or, while #isCounting, the exact size. Counting takes as long as decoding, so it
  // is done only near the limit.
  #size = 0
  #isCounting = false

  /**
   * @param lastEventId - the id to resume after; events without an id keep it, as in the browser's EventSource.
   * @param maxEventSize - the largest size of an event, in bytes of UTF-8: all that must be kept until its blank line. That is the values of
   * its data lines, one byte for each line end between them, its type, its id unless it is the last event's, and the current line. Comments
   * do not count. Default 16 MiB.
   */
  constructor(lastEventId = '', maxEventSize = MAX_EVENT_SIZE) {
    this.lastEventId = lastEventId
    this.#id = lastEventId
    this.#limit = maxEventSize
  }

  /**
   * Returns the events that this chunk completes. If an event exceeds the limit, {@link EventStreamDecoder.problem} is set, and the rest is
   * not read.
   *
   * @param chunk - the next bytes of the stream, of any length; or the next text, where something else has decoded the bytes.
   */
  feed(chunk: Uint8Array | string): DecodedEvent[] {
    const events: DecodedEvent[] = []
    const text = typeof chunk === 'string' ? chunk : this.#utf8.decode(chunk, { stream: true })
    if (this.problem) return events
    if (text === '') return events // #skipLineFeed stays as it is: the chunk may hold only part of a character
    const isCounting = this.#decideToCount(3 * text.length) // a UTF-16 unit takes at most 3 bytes
    // A CR at the end of the last chunk has ended its line, so a LF at the start of this chunk belongs to that CRLF.
    let start = this.#skipLineFeed && text.charCodeAt(0) === 10 ? 1 : 0
    this.#skipLineFeed = false
    // Each is searched again only after it was passed. Otherwise a chunk without CR would be searched to its end for every line.
    let cr = text.indexOf('\r', start)
    let lf = text.indexOf('\n', start)
    while (cr !== -1 || lf !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr
      // A CR ends the line at once. Waiting for a possible LF would delay the event until the next one.
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
      // The text of a comment is not kept.
      if (this.#line === '' && text[start] === ':') this.#isInComment = true
      else {
        const rest = text.slice(start)
        this.#line += rest
        if (isCounting) this.#grow(bytesOf(rest))
      }
    }
    return events
  }

  /** Processes the line between two positions of a text. Nearly all lines are `data` or `id`, so these are recognised without a search for the colon. */
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
    // An empty `data:` line is data too. An event without any data line is not dispatched.
    if (this.#data !== undefined)
      events.push({ type: this.#type || 'message', data: this.#data, lastEventId: this.#id })
    this.#data = undefined
    this.#type = ''
  }

  /** Decides whether to count the exact size while up to `most` more bytes are read. */
  #decideToCount(most: number): boolean {
    if (this.#isCounting) {
      // Counting stops only well below the limit. Otherwise a few more bytes would start it again, from the beginning.
      this.#isCounting = 2 * (this.#size + most) > this.#limit
    } else if (this.#size + most > this.#limit) {
      this.#isCounting = true
      this.#size = bytesOf(this.#line) + bytesOf(this.#data) + bytesOf(this.#type) + this.#idSize(this.#id)
    }
    if (!this.#isCounting) this.#size += most
    return this.#isCounting
  }

  /** Counts the new part of a line, and then replaces the size of the line by the size of what is kept of it. */
  #count(line: string): void {
    this.#grow(bytesOf(line) - bytesOf(this.#line))
    const [name, value] = fieldOf(line)
    if (line === '') this.#size = 0
    else if (name === 'data') this.#size += bytesOf(value) + (this.#data === undefined ? 0 : 1)
    else if (name === 'event') this.#size += bytesOf(value) - bytesOf(this.#type)
    else if (name === 'id' && !value.includes('\0')) this.#size += this.#idSize(value) - this.#idSize(this.#id)
    this.#size -= bytesOf(line)
  }

  /** The bytes of an id; 0 if it is the last event's, which is kept anyway. */
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

/** Skips one space before a value; a second one belongs to the value. */
function afterSpace(text: string, index: number): number {
  return text.charCodeAt(index) === 32 ? index + 1 : index
}

/** Returns the name and the value of a line's field. The name of a comment is empty. */
function fieldOf(line: string): [name: string, value: string] {
  const colon = line.indexOf(':')
  return colon === -1 ? [line, ''] : [line.slice(0, colon), line.slice(afterSpace(line, colon + 1))]
}

/** Returns the length of a text in UTF-8, in bytes. */
function bytesOf(text = ''): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    // A surrogate pair takes four bytes, so each half takes two.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit & 0xf800) !== 0xd800 ? 2 : 1
  }
  return bytes
}
