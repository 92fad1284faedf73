import { useEffect, useRef, useState } from 'react'
import { formatAge, formatBytes, formatPrice } from '../format.js'
import { texts } from '../texts/language.js'
import { type TopicTraffic, TrafficCounter } from './topic_traffic.js'
import { tap } from './wire_tap.js'

/** The time between two updates of the table, in milliseconds. */
const UPDATE_EVERY = 1000

/** The topics of the page's stream: how often something comes, how much, and how old the newest is. */
export function TopicsTable() {
  const counter = useRef<TrafficCounter>(undefined)
  const [topics, setTopics] = useState<readonly TopicTraffic[]>([])
  useEffect(() => {
    const counted = new TrafficCounter(Date.now())
    counter.current = counted
    const end = tap.listen(({ text, at }) => counted.add(text, at))
    const timer = setInterval(() => setTopics(counted.report(Date.now())), UPDATE_EVERY)
    return () => {
      end()
      clearInterval(timer)
    }
  }, [])
  if (topics.length === 0) return <p className="empty">{texts.inspector.waiting}</p>
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: keyboard users must be able to scroll it.
    <div className="events" tabIndex={0}>
      <table className="topics">
        <thead>
          <tr>
            <th scope="col">{texts.inspector.topic}</th>
            <th scope="col">{texts.inspector.eventRate}</th>
            <th scope="col">{texts.inspector.dataRate}</th>
            <th scope="col">{texts.inspector.age}</th>
          </tr>
        </thead>
        <tbody>
          {topics.map(({ topic, rate, bytes, newest }) => (
            <tr key={topic}>
              <th scope="row">{topic}</th>
              <td>{formatPrice(rate, 1)}</td>
              <td>{formatBytes(bytes)}</td>
              <td>{formatAge(Date.now() - newest)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
