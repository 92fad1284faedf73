import type { ErrorBody } from './messages.js'

/** The description of a failure. */
export interface Problem {
  /** What happened, as text. */
  readonly message: string
  /** The HTTP status, if there was a response. */
  readonly status?: number | undefined
  /** The code in the server's error body, such as `NOT_FOUND`. */
  readonly code?: string | undefined
}

/** A stream, or one of its messages, has failed. */
export class SSEError extends Error implements Problem {
  override readonly name = 'SSEError'
  declare readonly status: number | undefined
  /** The server's code, `INVALID_MESSAGE` for a message that is not JSON, or `EVENT_TOO_LARGE` for an event above the limit. */
  declare readonly code: string | undefined

  constructor({ message, status, code }: Problem) {
    super(message)
    Object.assign(this, { status, code })
  }
}

/** The longest wait for the body of an error response, in milliseconds: a body that never ends must not block the reconnection. */
const BODY_TIMEOUT = 1000

/** Returns the problem that an error response describes. */
export async function problemOf(response: Response): Promise<Problem> {
  const { status } = response
  const body = await new Promise<Partial<ErrorBody> | undefined>((resolve) => {
    const timer = setTimeout(resolve, BODY_TIMEOUT)
    // Where it is not JSON, the error has no body's field either.
    void response
      .json()
      .then(resolve, resolve)
      .finally(() => clearTimeout(timer))
  })
  const { code, message } = body?.error ?? {}
  return { status, code, message: message ?? `the server answered ${status} ${response.statusText}`.trim() }
}
