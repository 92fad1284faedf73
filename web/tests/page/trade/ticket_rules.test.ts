import { expect, it } from 'vitest'
import {
  adapt,
  check,
  type Draft,
  durationBounds,
  durationChips,
  firstDraft,
  isOffered,
  returnPercent,
  stakeChips,
  stepAmount,
  withUnit,
} from '../../../page/trade/ticket_rules.js'
import { CONFIG } from '../fixtures.js'

const GOLD = { id: 'GOLD', pip_size: 2 }
const DRAFT: Draft = firstDraft(CONFIG, 'GOLD')

it('starts with the server’s defaults, which are valid', () => {
  expect(check(DRAFT, CONFIG, GOLD)).toEqual({
    problems: {},
    terms: {
      product_id: 'rise_fall',
      instrument_id: 'GOLD',
      duration: 5,
      duration_unit: 'ticks',
      allow_equals: false,
      stake: '10.00',
    },
  })
})

it.each([
  ['0.5', undefined],
  ['0.49', 'From 0.50 to 5,000.00'],
  ['5000.01', 'From 0.50 to 5,000.00'],
  ['10.001', 'At most 2 decimals'],
  ['1,000', undefined],
  ['1,00', 'Enter an amount, for example 10.00'],
  ['1e3', 'Enter an amount, for example 10.00'],
  ['', 'Enter an amount, for example 10.00'],
])('stake %j: %s', (stake, problem) => {
  expect(check({ ...DRAFT, stake }, CONFIG, GOLD).problems.stake).toBe(problem)
})

it.each([
  ['1', 'ticks', undefined],
  ['11', 'ticks', 'From 1 to 10 ticks'],
  ['14', 'seconds', 'From 15 to 86,400 seconds'],
  ['1440', 'minutes', undefined],
  ['1,440', 'minutes', undefined],
  ['1441', 'minutes', 'From 1 to 1,440 minutes'],
  ['1,441', 'minutes', 'From 1 to 1,440 minutes'],
  ['+5', 'minutes', 'Enter a whole number'],
  ['25', 'hours', 'From 1 to 24 hours'],
  ['366', 'days', 'From 1 to 365 days'],
  ['1.5', 'days', 'Enter a whole number'],
] as const)('duration %s %s: %s', (duration, unit, problem) => {
  expect(check({ ...DRAFT, duration, unit }, CONFIG, GOLD).problems.duration).toBe(problem)
})

it.each([
  ['', undefined, undefined],
  ['+0.5', undefined, '+0.5'],
  ['−0.5', undefined, '-0.5'],
  ['1250.25', undefined, '1250.25'],
  ['1,250.25', undefined, '1250.25'],
  ['+0.123', 'Enter a price, or an offset such as +0.01', undefined],
  ['high', 'Enter a price, or an offset such as +0.01', undefined],
])('barrier %j: %s', (barrier, problem, asked) => {
  const { problems, terms } = check({ ...DRAFT, product: 'high_low', barrier }, CONFIG, GOLD)
  expect(problems.barrier).toBe(problem)
  expect(terms?.barrier).toBe(asked)
})

it('sends no barrier and no choice that the product does not have', () => {
  const draft: Draft = { ...DRAFT, barrier: '+1', allowEquals: true }
  expect(check({ ...draft, product: 'rise_fall' }, CONFIG, GOLD).terms).not.toHaveProperty('barrier')
  expect(check({ ...draft, product: 'rise_fall' }, CONFIG, GOLD).terms?.allow_equals).toBe(true)
  const touch = { ...CONFIG, defaults: { ...CONFIG.defaults, allow_equals: true } }
  expect(check({ ...draft, product: 'touch', allowEquals: false }, touch, GOLD).terms?.allow_equals).toBe(true)
})

it('returns the limits of a unit', () => {
  expect(durationBounds(CONFIG, 'ticks')).toEqual({ min: 1, max: 10 })
  expect(durationBounds(CONFIG, 'hours')).toEqual({ min: 1, max: 24 })
})

it.each([
  ['5', 'seconds', '15'],
  ['500', 'ticks', '10'],
  ['1,000', 'hours', '24'],
  ['5', 'minutes', '5'],
  ['five', 'minutes', 'five'],
] as const)('a duration of %s, changed to %s, becomes %s', (duration, unit, becomes) => {
  expect(withUnit({ ...DRAFT, duration }, CONFIG, unit).duration).toBe(becomes)
})

it.each([
  ['1250.25', ''],
  ['+0.5', '+0.5'],
  ['−0.5', '−0.5'],
])('a barrier %j is %j for another instrument', (barrier, kept) => {
  expect(adapt({ ...DRAFT, barrier }, CONFIG, 'high_low', 'SILVER').barrier).toBe(kept)
  expect(adapt({ ...DRAFT, barrier }, CONFIG, 'high_low', 'GOLD').barrier).toBe(barrier)
})

it('does not take the default of a product without the choice for the choice of another', () => {
  const touch = { ...CONFIG, defaults: { ...CONFIG.defaults, product_id: 'touch', allow_equals: true } } as const
  expect(adapt(firstDraft(touch, 'GOLD'), CONFIG, 'rise_fall', 'GOLD').allowEquals).toBe(false)
})

it.each([
  ['10.01', true],
  ['10.00', false],
  ['9.12', false],
])('a payout of %s for a stake of 10.00 is offered: %s', (payout, offered) => {
  expect(isOffered('10.00', payout)).toBe(offered)
})

it('returns the profit in percent', () => {
  expect(returnPercent('10.00', '19.53')).toBeCloseTo(95.3)
  expect(returnPercent('10.00', '5.00')).toBe(-50)
})

it('offers stakes that the balance covers, and durations that the unit allows', () => {
  expect(stakeChips(CONFIG, undefined)).toEqual(['2.5', '5', '12.5', '50'])
  expect(stakeChips(CONFIG, 12.5)).toEqual(['2.5', '5', '12.5'])
  expect(durationChips(CONFIG, 'ticks')).toEqual(['1', '5', '10'])
  expect(durationChips(CONFIG, 'hours')).toEqual(['1', '4', '12'])
})

it.each([
  ['10', 1, '11'],
  ['10', -1, '9.9'],
  ['9.9', 1, '10'],
  ['150', 1, '160'],
  ['1,500', -1, '1400'],
  ['0.5', -1, '0.5'],
  ['4990', 1, '5000'],
  ['', 1, ''],
  ['much', 1, 'much'],
] as const)('a step from %j by %d is %j', (text, steps, next) => {
  expect(stepAmount(text, steps, 0.5, 5000, false)).toBe(next)
})

it('steps durations by one', () => {
  expect(stepAmount('100', 1, 1, 1440, true)).toBe('101')
  expect(stepAmount('1', -1, 1, 1440, true)).toBe('1')
})
