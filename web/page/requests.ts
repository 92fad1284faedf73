import type { ErrorBody } from '../src/pricewire.js'
import { texts } from './texts/language.js'

/** The longest wait for a response, in milliseconds. */
const TIMEOUT = 10_000

/** A request has failed. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** The HTTP status; undefined if there was no response, so that it is unknown whether the server has acted. */
  readonly status: number | undefined
  /** The code in the server's error body, such as `INSUFFICIENT_BALANCE`. */
  readonly code: string | undefined
  /** The wait that the server asks for, in seconds. */
  readonly retryAfter: number | undefined

  constructor(message: string, { status, code, retryAfter }: Partial<Omit<RequestError, keyof Error>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfter = retryAfter
  }
}

/** The parts of a request besides its path. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Sent as JSON. */
  readonly body?: object | undefined
  readonly method?: 'GET' | 'POST'
  readonly token?: string | undefined
}

/**
 * Sends a request and returns the JSON of the response.
 *
 * Throws a {@link RequestError} if there is no response or it is an error, and the signal's reason if the signal was aborted.
 */
export async function request<Body>(path: string, options: RequestOptions = {}): Promise<Body> {
  const { signal, body, token, method = body === undefined ? 'GET' : 'POST' } = options
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  const timeout = AbortSignal.timeout(TIMEOUT)
  let response: Response
  let answer: Body & Partial<ErrorBody>
  try {
    response = await fetch(path, {
      method,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    answer = await response.json().catch((error) => {
      if (!(error instanceof SyntaxError)) throw error
      return {} // a proxy's HTML page, for instance; the status is enough
    })
  } catch {
    signal?.throwIfAborted()
    throw new RequestError(timeout.aborted ? texts.errors.timeout(String(TIMEOUT / 1000)) : texts.errors.unreachable)
  }
  if (response.ok) return answer
  const { status, statusText } = response
  throw new RequestError(answer.error?.message ?? texts.errors.status(`${status} ${statusText}`.trim()), {
    status,
    code: answer.error?.code,
    retryAfter: Number(response.headers.get('Retry-After')) || undefined,
  })
}

/** Sends a request and returns the `data` of the response. */
export async function requestData<Data>(path: string, options: RequestOptions = {}): Promise<Data> {
  const { data } = await request<{ data?: Data }>(path, options)
  if (data === undefined) throw new RequestError(texts.errors.notPricewire, { status: 200 })
  return data
}
