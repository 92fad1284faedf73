import { expect, it } from 'vitest'
import { explain, explainLogin, refusalOf } from '../../page/error_text.js'
import { RequestError } from '../../page/requests.js'
import { SSEError } from '../../src/problem.js'

const refused = (code: string, status = 409, retryAfter?: number) =>
  new RequestError('what the server says', { status, code, retryAfter })

it.each([
  [refused('INSUFFICIENT_BALANCE'), 'Lower the stake'],
  [refused('MARKET_CLOSED'), 'Choose another'],
  [refused('PRICE_MOVED'), 'Look at the new payout'],
  [refused('CONTRACT_NOT_SELLABLE'), 'Its result appears under Closed'],
  [refused('UNAUTHORIZED', 401), 'Log in again'],
  [refused('RATE_LIMIT_EXCEEDED', 429, 30), 'Try again in 30 seconds'],
  [refused('RATE_LIMIT_EXCEEDED', 429, 1), 'Try again in 1 second.'],
  [refused('RATE_LIMIT_EXCEEDED', 429), 'Try again in a minute'],
  [refused('INVALID_PARAMETERS', 400), 'What the server says.'],
  [refused('INTERNAL_ERROR', 500), 'Try again in a moment'],
  [new RequestError('the server cannot be reached'), 'Try again when the connection is back'],
  [new TypeError('undefined is not a function'), 'Reload it'],
])('%s: %s', (error, text) => {
  expect(explain(error)).toContain(text)
})

it('says plainly that a password is wrong, that there were too many, and what a server says of an account', () => {
  expect(explainLogin(refused('UNAUTHORIZED', 401))).toContain('The account or the password is wrong')
  expect(explainLogin(refused('RATE_LIMIT_EXCEEDED', 429, 60))).toContain('in 60 seconds')
  expect(explainLogin(refused('FORBIDDEN', 403))).toBe('What the server says.')
})

it('says why a stream was refused in its own words, where it has some', () => {
  const refusal = (message: string) => refusalOf(new SSEError({ message }))
  expect(refusal('barrier +0 is the spot itself; choose an offset of at least a pip')).toContain('current price itself')
  expect(refusal('barrier -99999.5 is not above zero; the price is 149.43 now')).toContain('Choose a higher one')
  expect(refusal('the chance to win is below 5.0%; choose a barrier that is less certain')).toContain('Choose another')
  expect(refusal('the feed is on fire')).toBe('The feed is on fire.')
})
