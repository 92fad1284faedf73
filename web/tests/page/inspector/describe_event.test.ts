import { expect, it } from 'vitest'
import { describeEvent } from '../../../page/inspector/describe_event.js'

it.each([
  [
    'id: a-7\ndata: {"event":"tick","subscription_id":"ticks:R_100","seq":7,"data":{}}',
    'tick of ticks:R_100, number 7',
  ],
  [
    'data: {"event":"contract_settled","subscription_id":"contracts:u","seq":2,"merged":3,"data":{}}',
    'contract settled of contracts:u, number 2, stands for 3 more',
  ],
  ['event: stale\ndata: {"topic":"ticks:R_100"}', 'this feed has fallen silent'],
  ['event: error\ndata: {"error":{}}', 'the server ends the stream, and says why'],
  ['event: other\ndata: 1', 'an event other'],
  [':', 'a sign of life'],
  ['data: not JSON', 'a message'],
  ['data: null', 'a message'],
])('%s means %s', (block, meaning) => {
  expect(describeEvent(block)).toBe(meaning)
})
