import { expect, it } from 'vitest'
import { describeEvent } from '../../../page/inspector/describe_event.js'

it.each([
  [
    'id: a-7\ndata: {"event":"tick","subscription_id":"ticks:R_100","seq":7,"data":{}}',
    'tick of ticks:R_100, number 7',
  ],
  [
    'data: {"event":"contract_settled","subscription_id":"contracts:u","seq":2,"merged":3,"data":{}}',
    'contract settled of contracts:u, number 2, replaces 3 older',
  ],
  ['event: stale\ndata: {"topic":"ticks:R_100"}', 'the feed of this topic sends no prices'],
  ['event: error\ndata: {"error":{}}', 'the server ends the stream for this reason'],
  ['event: other\ndata: 1', 'an event of type other'],
  ['event: constructor\ndata: 1', 'an event of type constructor'],
  [':', 'a heartbeat'],
  ['data: not JSON', 'a message'],
  ['data: null', 'a message'],
])('%s means %s', (block, meaning) => {
  expect(describeEvent(block)).toBe(meaning)
})
