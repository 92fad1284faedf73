import type { SSEError } from '../src/pricewire.js'
import { RequestError } from './requests.js'
import { texts } from './texts/language.js'
import { lookUp } from './texts/look_up.js'

/** Returns why a user's request has failed and what to do about it, in full sentences. */
export function explain(error: unknown): string {
  if (!(error instanceof RequestError)) return texts.errors.inThisPage(String(error))
  const { codes, tooMany, noAnswer, server } = texts.errors
  if (error.code === 'RATE_LIMIT_EXCEEDED') return tooMany(error.retryAfter)
  const known = lookUp(codes, error.code)
  if (known !== undefined) return known
  if (error.status === undefined) return noAnswer(sentence(error.message))
  if (error.status >= 500) return server
  return sentence(error.message)
}

/** Returns why a login has failed and what to do about it. */
export function explainLogin(error: unknown): string {
  if (error instanceof RequestError && (error.status === 401 || error.status === 400)) return texts.errors.wrongPassword
  if (error instanceof RequestError && error.status === 403) return sentence(error.message)
  return explain(error)
}

/** Returns why a stream has failed, as a part of a sentence: what the page has no words for, as the server or the client says it. */
export function reasonOf({ message, code }: SSEError): string {
  // Without the browser's error at its end, such as `(TypeError: Failed to fetch)`.
  const plain = message.replace(/ \([^()]*\)$/, '')
  const { ends, reasons } = texts.connection
  const [number = ''] = /\d+/.exec(plain) ?? []
  return lookUp(ends, code) ?? lookUp(reasons, plain.replace(/\d+/, '#'))?.replace('#', number) ?? plain
}

/** Returns why the server has refused a stream: in the page's words, or as the server says it. */
export function refusalOf({ message }: SSEError): string {
  const known = message.replace(/[+-]?\d+(\.\d+)?%?/g, '#')
  return lookUp(texts.errors.refusals, known) ?? sentence(message)
}

/** Returns a message of the server as a sentence: with a capital and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}.`
}
