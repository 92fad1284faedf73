import { RequestError } from './requests.js'

/** Returns why a user's request has failed and what to do about it, in full sentences. */
export function explain(error: unknown): string {
  if (!(error instanceof RequestError)) return `Something went wrong in this page: ${error}. Reload it.`
  switch (error.code) {
    case 'INSUFFICIENT_BALANCE':
      return 'Your balance does not cover this stake. Lower the stake, or wait until a contract pays out.'
    case 'PRICE_MOVED':
      return 'The price has moved against you since you pressed the button. Look at the new payout, and try again.'
    case 'MARKET_CLOSED':
      return 'This market is closed, or its price is out of date. Choose another, or wait for a new price.'
    case 'CONTRACT_NOT_SELLABLE':
      return 'This contract can no longer be sold: it has ended, or ends soon. Its result appears under Closed.'
    case 'UNAUTHORIZED':
      return 'Your session has ended. Log in again.'
    case 'FORBIDDEN':
      return 'This account is not allowed to do that. Log in with another account.'
    case 'RATE_LIMIT_EXCEEDED':
      return `Too many attempts. Try again ${waitOf(error)}.`
  }
  if (error.status === undefined) return `${sentence(error.message)} Try again when the connection is back.`
  if (error.status >= 500) return 'The server has a problem. Try again in a moment.'
  return sentence(error.message)
}

/** Returns why a login has failed and what to do about it. */
export function explainLogin(error: unknown): string {
  if (error instanceof RequestError && (error.status === 401 || error.status === 400))
    return 'The account or the password is wrong. Check both, and try again.'
  if (error instanceof RequestError && error.status === 403) return sentence(error.message)
  return explain(error)
}

function waitOf({ retryAfter }: RequestError): string {
  return retryAfter === undefined ? 'in a minute' : `in ${retryAfter} ${retryAfter === 1 ? 'second' : 'seconds'}`
}

/** Returns a message of the server as a sentence: with a capital and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}
