// @vitest-environment happy-dom
import { afterEach, expect, it } from 'vitest'
import { progressOf } from '../../../page/account/contracts.js'
import { explain, reasonOf } from '../../../page/error_text.js'
import { formatChange, formatCount, formatMoney, formatPrice, formatSpot, formatTime } from '../../../page/format.js'
import { RequestError } from '../../../page/requests.js'
import { english } from '../../../page/texts/english.js'
import { german } from '../../../page/texts/german.js'
import { languageOf, speak, texts } from '../../../page/texts/language.js'
import { check, firstDraft } from '../../../page/trade/ticket_rules.js'
import { SSEError } from '../../../src/pricewire.js'
import { CONFIG, contract } from '../fixtures.js'

afterEach(() => speak('en'))

it.each([
  ['system', ['de-AT', 'en'], 'de'],
  ['system', ['fr-FR', 'en-US', 'de'], 'en'],
  ['system', ['fr', 'ja'], 'en'],
  ['system', ['__proto__', 'toString'], 'en'],
  ['de', ['en'], 'de'],
  ['en', ['de'], 'en'],
] as const)('the choice %s of a browser that accepts %j is %s', (choice, accepted, language) => {
  expect(languageOf(choice, accepted)).toBe(language)
})

it('speaks another language: texts, plurals, numbers, times, and the document says so', async () => {
  await speak('de')
  expect(document.documentElement.lang).toBe('de')
  expect(texts.columns.payoutReceived).toBe('Ausgezahlt')
  expect([1, 2].map((count) => texts.contract.duration(count, 'days'))).toEqual(['1 Tag', '2 Tage'])
  expect(formatPrice(1234.5, 2)).toBe('1234,50')
  expect(formatSpot('1900.50')).toBe('1900,50')
  expect(formatMoney('-1234567.89', 'USD')).toBe('−1.234.567,89 USD')
  expect(formatCount(10_000)).toBe('10.000')
  expect(formatChange(100, 99.5)).toBe('−0,500 %')
  expect(formatTime(Date.UTC(2026, 4, 30, 1, 2, 3), Date.UTC(2026, 4, 31), 'utc')).toBe('30. Mai 01:02:03')
  expect(progressOf(contract('a', { duration: 1, duration_unit: 'ticks' }), 0).text).toBe('1 von 1 Tick')
  await speak('en')
  expect(document.documentElement.lang).toBe('en')
  expect([1, 2].map((count) => texts.contract.duration(count, 'days'))).toEqual(['1 day', '2 days'])
})

it('reads a stake as it is written in the language', async () => {
  await speak('de')
  const draft = firstDraft({ ...CONFIG, defaults: { ...CONFIG.defaults, stake: 12.5 } }, 'GOLD')
  expect(draft.stake).toBe('12,5')
  const { problems, terms } = check(draft, CONFIG, { id: 'GOLD', pip_size: 2 })
  expect(problems).toEqual({})
  expect(terms?.stake).toBe('12.50')
  expect(check({ ...draft, stake: '1.000' }, CONFIG, { id: 'GOLD', pip_size: 2 }).terms?.stake).toBe('1000.00')
  const wrong = check({ ...draft, stake: 'viel' }, CONFIG, { id: 'GOLD', pip_size: 2 })
  expect(wrong.problems.stake).toBe('Geben Sie einen Betrag ein, zum Beispiel 10,00')
})

it.each([
  [{ message: 'the server cannot be reached (TypeError: Failed to fetch)' }, 'der Server ist nicht erreichbar'],
  [{ message: 'the server has been silent for 4 s' }, 'der Server hat seit 4 s nichts gesendet'],
  [{ message: 'the server is stopping; reconnect', code: 'SERVER_DRAINING' }, 'der Server startet neu'],
  [{ message: 'what nobody has translated', code: 'toString' }, 'what nobody has translated'],
])('says why a stream has failed: %j', async (problem, text) => {
  await speak('de')
  expect(reasonOf(new SSEError(problem))).toBe(text)
})

it('explains a refusal in the language, whatever code the server gives', async () => {
  await speak('de')
  const explained = (code: string) => explain(new RequestError('what the server says', { status: 409, code }))
  expect(explained('INSUFFICIENT_BALANCE')).toContain('Guthaben')
  expect(explained('constructor')).toBe('What the server says.')
})

it('has the words that the field uses', () => {
  expect(english.columns.payoutReceived).toBe('Payout received')
  expect(english.ticket.endsAt).toBe('Ends at')
  expect(english.ticket.currentPrice).toBe('Current price')
  expect(english.connection.lost('…')).toContain('Reconnecting automatically')
  expect(english.connection.offlineProblem).toContain('Prices are out of date')
  expect(english.bar.events).toContain('live events')
  expect(english.ticket.enterAmount('10.00')).toBe('Enter an amount, for example 10.00')
})

/** Returns the texts of a table by their paths; functions are called, so that none is forgotten. */
function flatten(table: object, path = ''): Map<string, string> {
  const flat = new Map<string, string>()
  for (const [key, value] of Object.entries(table)) {
    const at = `${path}/${key}`
    if (typeof value === 'string') flat.set(at, value)
    else if (typeof value === 'function') flat.set(at, value(2, 'days', false))
    else for (const [inner, text] of flatten(value, at)) flat.set(inner, text)
  }
  return flat
}

it('has the same texts in German: none is missing, none is left in English', () => {
  const [one, other] = [flatten(english), flatten(german)]
  expect([...other.keys()]).toEqual([...one.keys()])
  // Words and forms that both languages have.
  const shared =
    /^(\/age\/(seconds|minutes|hours)|\/admin\/(command|token|rate|streams|ticks|topic)|\/connection\/(live|offline|retry.*)|\/settings\/(themes\/system|zones\/utc)|\/tabs\/chart|\/chart\/(tick|utc|letters\/1)|\/contract\/.*|\/ticket\/units\/ticks|\/inspector\/(filterExample|views\/code))$/
  const left = [...one].filter(([path, text]) => other.get(path) === text && !shared.test(path)).map(([path]) => path)
  expect(left).toEqual([])
  for (const [path, text] of other) expect(text.split('**').length % 2, path).toBe(1)
})
