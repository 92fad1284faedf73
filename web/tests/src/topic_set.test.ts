import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Names, TopicSet } from '../../src/topic_set.js'

interface Step {
  readonly do: string
  readonly names: unknown
  readonly interval?: number
  readonly has_cursor: boolean
  readonly can_change: boolean
  readonly is_new: boolean
  readonly number: number
  readonly topics: readonly string[]
  readonly topic: string
  readonly reason: string
  readonly is_undone: boolean
  readonly actions?: readonly object[]
  readonly listing?: object
  readonly kept?: boolean
  readonly state: object
}

/**
 * Scenarios: what happens, what is to be done about it, and the state afterwards; `fault` names what an earlier client got wrong. The Python
 * client's tests have others run, from a model of a server, a network and subscribers.
 */
const vectors: readonly { readonly name: string; readonly steps: readonly Step[] }[] = JSON.parse(
  readFileSync(
    process.env['TOPIC_SET_VECTORS'] ?? new URL('../../../tests/vectors/topic_set.json', import.meta.url),
    'utf8',
  ),
)

function take(set: TopicSet<string>, step: Step): unknown {
  switch (step.do) {
    case 'want':
      return set.want(step.names as string[], step.interval)
    case 'listen':
      return set.listen(step.has_cursor)
    case 'opened':
      return set.opened(step.can_change, step.is_new)
    case 'changed':
      return set.changed(step.topics, step.names as Names)
    case 'answered':
      return set.answered(step.number, step.topics, step.names as Names)
    case 'change_refused':
      return set.changeRefused(step.number, step.reason)
    case 'change_failed':
      return set.changeFailed(step.number, step.is_undone)
    case 'connection_refused':
      return set.connectionRefused(step.reason)
    case 'heard':
      return set.heard(step.topic)
    case 'waited':
    case 'cut':
    case 'ended':
    case 'retry':
      return set[step.do]()
    default:
      throw new Error(`there is no input ${step.do}`)
  }
}

describe('TopicSet', () => {
  it('forgets the topic of a pattern that has been silent for the longest time, if there are too many', () => {
    const set = new TopicSet<string>()
    set.want(['t:*'])
    set.listen(false)
    set.opened(true, true)
    for (let number = 0; number < 1000; number++) set.heard(`t:${number}`)
    expect(set.trim()).toEqual([])
    set.heard('t:0')
    set.heard('t:1000')
    expect(set.trim()).toEqual([{ do: 'drop', topic: 't:1' }])
    expect([...set.followed].slice(0, 2)).toEqual(['t:2', 't:3'])
  })

  it.each(vectors)('$name', ({ steps }) => {
    const set = new TopicSet<string>()
    for (const step of steps) {
      expect(take(set, step)).toEqual(step.actions ?? step.listing ?? step.kept)
      expect({
        confirmed: [...set.confirmed].sort(),
        agreed: set.agreed === undefined ? null : [...set.agreed].sort(),
        unknown: set.unknown,
        leaving: [...set.leaving].sort(),
        refused: Object.fromEntries(set.refused),
      }).toEqual(step.state)
    }
  })
})
