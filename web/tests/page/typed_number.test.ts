// @vitest-environment happy-dom
import { afterEach, expect, it } from 'vitest'
import { speak } from '../../page/texts/language.js'
import { readNumber, writeNumber } from '../../page/typed_number.js'

afterEach(() => speak('en'))

it.each([
  ['10', '10'],
  [' 10.50 ', '10.50'],
  ['1,000', '1000'],
  ['1,234,567.89', '1234567.89'],
  ['+1.5', '+1.5'],
  ['−1.5', '-1.5'],
  ['1,00', undefined],
  ['0,001', undefined],
  ['1,000.', undefined],
  ['1.000,5', undefined],
  ['1.2.3', undefined],
  ['1e3', undefined],
  ['', undefined],
  ['ten', undefined],
])('%j is %s in English', (text, number) => {
  expect(readNumber(text)).toBe(number)
})

it.each([
  ['10', '10'],
  ['10,50', '10.50'],
  ['1.000', '1000'],
  ['1.234.567,89', '1234567.89'],
  ['+1,5', '+1.5'],
  // A point that cannot separate thousands is taken for what it is in programs.
  ['10.5', '10.5'],
  ['0.001', '0.001'],
  ['1,000,5', undefined],
  ['1,000.5', undefined],
  ['', undefined],
])('%j is %s in German', async (text, number) => {
  await speak('de')
  expect(readNumber(text)).toBe(number)
})

it.each(['en', 'de'] as const)('what is written is read as the same number: %s', async (language) => {
  await speak(language)
  for (const number of ['0.001', '1.234', '12.5', '1000', '1234567.89', '+0.50', '-3.125'])
    expect(readNumber(writeNumber(number))).toBe(number)
})
