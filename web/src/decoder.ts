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
  #data = ''
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
      const event = this.#takeLine(this.#line + text.slice(start, end))
      if (event !== undefined) events.push(event)
      this.#line = ''
      start = end + 1
      if (end === cr) {
        if (start === text.length) this.#skipLineFeed = true
        else if (start === lf) start += 1
        cr = text.indexOf('\r', start)
      }
      if (lf !== -1 && lf < start) lf = text.indexOf('\n', start)
    }
    this.#line += text.slice(start)
    return events
  }

  #takeLine(line: string): DecodedEvent | undefined {
    if (line === '') return this.#dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return undefined // a comment
    if (colon === -1) this.#takeField(line, '')
    // Exactly one space is dropped; a second one belongs to the value.
    else this.#takeField(line.slice(0, colon), line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1))
    return undefined
  }

  #takeField(name: string, value: string): void {
    if (name === 'data') this.#data += `${value}\n`
    else if (name === 'event') this.#type = value
    else if (name === 'id') {
      if (!value.includes('\0')) this.#id = value
    } else if (name === 'retry' && DIGITS.test(value)) this.retry = Number(value)
  }

  #dispatch(): DecodedEvent | undefined {
    this.lastEventId = this.#id
    const data = this.#data
    const type = this.#type || 'message'
    this.#data = ''
    this.#type = ''
    // Even `data:` with nothing after it leaves a line feed here; so empty means that there was no data line at all.
    return data === '' ? undefined : { type, data: data.slice(0, -1), lastEventId: this.#id }
  }
}
