import type { ErrorBody } from '../src/pricewire.js'

/** How long an answer may take, in milliseconds. */
const TIMEOUT = 10_000

/** Why a request has no result. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** The status of the answer; undefined where there was none, so that nobody knows whether the server has done it. */
  readonly status: number | undefined
  /** The server's code, `INSUFFICIENT_BALANCE` for instance. */
  readonly code: string | undefined
  /** How long the server asks to wait, in seconds. */
  readonly retryAfter: number | undefined

  constructor(message: string, { status, code, retryAfter }: Partial<Omit<RequestError, keyof Error>> = {}) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfter = retryAfter
  }
}

/** What a request has beside its path. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined
  /** Sent as JSON. */
  readonly body?: object | undefined
  readonly method?: 'GET' | 'POST'
  readonly token?: string | undefined
}

/**
 * Sends a request and returns the JSON of its answer.
 *
 * Throws a {@link RequestError} where there is no answer or it is an error, and the signal's reason where that was aborted.
 */
export async function request<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const { signal, body, token, method = body === undefined ? 'GET' : 'POST' } = options
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  const timeout = AbortSignal.timeout(TIMEOUT)
  let response: Response
  let answer: Answer & Partial<ErrorBody>
  try {
    response = await fetch(path, {
      method,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    answer = await response.json().catch((error) => {
      if (!(error instanceof SyntaxError)) throw error
      return {} // a page of a proxy's, for instance; its status says enough
    })
  } catch {
    signal?.throwIfAborted()
    throw new RequestError(
      timeout.aborted ? `the server has not answered for ${TIMEOUT / 1000} s` : 'the server cannot be reached',
    )
  }
  if (response.ok) return answer
  const { status, statusText } = response
  throw new RequestError(answer.error?.message ?? `the server answered ${status} ${statusText}`.trim(), {
    status,
    code: answer.error?.code,
    retryAfter: Number(response.headers.get('Retry-After')) || undefined,
  })
}

/** Sends a request and returns the `data` of its answer. */
export async function requestData<Data>(path: string, options: RequestOptions = {}): Promise<Data> {
  const { data } = await request<{ data?: Data }>(path, options)
  if (data === undefined) throw new RequestError('the answer is none of Pricewire’s', { status: 200 })
  return data
}
