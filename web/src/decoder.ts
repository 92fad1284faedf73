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

  // It removes one byte order mark, and holds back a character of which only some bytes have come.
  readonly #utf8 = new TextDecoder()
  #line = ''
  #skipLineFeed = false
  #data: string | undefined
  #type = ''
  #id: string

  /** @param lastEventId - the id to go on from; later events without an id keep it, as in the browsers' own EventSource. */
  constructor(lastEventId = '') {
    this.lastEventId = lastEventId
    this.#id = lastEventId
  }

  /**
   * Returns the events that this chunk completes.
   *
   * @param chunk - the next bytes of the stream, any number of them.
   */
  feed(chunk: Uint8Array): DecodedEvent[] {
    const events: DecodedEvent[] = []
    const text = this.#utf8.decode(chunk, { stream: true })
    if (text === '') return events // and #skipLineFeed stays: a chunk may hold only part of a character
    // The line of a CR ended with it, so a LF that comes first in the next chunk is the other half of a CRLF.
    let start = this.#skipLineFeed && text.charCodeAt(0) === 10 ? 1 : 0
    this.#skipLineFeed = false
    // Looked for again only when passed; else a chunk of many lines and no CR would be searched to its end for each.
    let cr = text.indexOf('\r', start)
    let lf = text.indexOf('\n', start)
    while (cr !== -1 || lf !== -1) {
      const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr
      // Taken as soon as CR is seen: to wait for what follows it would hold an event back until the next one.
      if (this.#line === '') this.#takeLine(text, start, end, events)
      else {
        const line = this.#line + text.slice(start, end)
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
    if (start < text.length) this.#line += text.slice(start)
    return events
  }

  /** Takes the line between two places of a text. Nearly all are of `data` and `id`: these are not looked through for their colon. */
  #takeLine(text: string, start: number, end: number, events: DecodedEvent[]): void {
    if (start === end) this.#dispatch(events)
    else if (text.startsWith('data:', start)) this.#addData(text.slice(afterSpace(text, start + 5), end))
    else if (text.startsWith('id:', start)) this.#takeField('id', text.slice(afterSpace(text, start + 3), end))
    else {
      const line = text.slice(start, end)
      const colon = line.indexOf(':')
      if (colon === -1) this.#takeField(line, '')
      // One that begins with a colon is a comment.
      else if (colon > 0) this.#takeField(line.slice(0, colon), line.slice(afterSpace(line, colon + 1)))
    }
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
}

/** Exactly one space before a value is dropped; a second one belongs to it. */
function afterSpace(text: string, place: number): number {
  return text.charCodeAt(place) === 32 ? place + 1 : place
}
