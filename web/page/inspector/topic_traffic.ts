/** What has come of a topic in the last seconds. */
export interface TopicTraffic {
  readonly topic: string
  /** Events per second. */
  readonly rate: number
  /** Bytes of events per second. */
  readonly bytes: number
  /** When the newest event came, in milliseconds since 1970. */
  readonly newest: number
}

/** The span that rates are averaged over, in milliseconds. */
const SPAN = 10_000

/** Counts the events of each topic, over the last seconds. */
export class TrafficCounter {
  readonly #topics = new Map<string, { at: number; bytes: number }[]>()
  readonly #since: number

  /** @param now - in milliseconds since 1970, as all times here. */
  constructor(now: number) {
    this.#since = now
  }

  /** Counts a block of an event stream. */
  add(text: string, now: number): void {
    const [, topic] = /"subscription_id":"([^"]*)"/.exec(text) ?? []
    if (topic === undefined) return
    const events = this.#topics.get(topic) ?? []
    events.push({ at: now, bytes: text.length + 2 })
    this.#topics.set(topic, events)
    this.#forget(events, now)
  }

  /** Returns the topics with their traffic, the busiest first. */
  report(now: number): TopicTraffic[] {
    const seconds = Math.max(1000, Math.min(SPAN, now - this.#since)) / 1000
    const report = [...this.#topics].map(([topic, events]) => {
      const newest = events.at(-1)?.at ?? 0
      this.#forget(events, now)
      const recent = events.filter(({ at }) => at > now - SPAN)
      const bytes = recent.reduce((sum, { bytes }) => sum + bytes, 0)
      return { topic, rate: recent.length / seconds, bytes: bytes / seconds, newest }
    })
    return report.sort((one, other) => other.bytes - one.bytes)
  }

  /** Keeps the newest event whatever its age: it says how old the topic's value is. */
  #forget(events: { at: number }[], now: number): void {
    while (events.length > 1 && (events[0]?.at ?? now) <= now - SPAN) events.shift()
  }
}
