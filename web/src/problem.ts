import type { ErrorBody } from './messages.js'

/** What is known of a failure. */
export interface Problem {
  /** What happened, for people. */
  readonly message: string
  /** The response's status, where there was a response. */
  readonly status?: number | undefined
  /** For programs: the code of the server's error body, `NOT_FOUND` for instance. */
  readonly code?: string | undefined
}

/** What went wrong with a stream, or with one message of it. */
export class SSEError extends Error implements Problem {
  override readonly name = 'SSEError'
  declare readonly status: number | undefined
  /** The server's code; or `INVALID_MESSAGE` for a message that is not JSON, `EVENT_TOO_LARGE` for an event beyond the limit. */
  declare readonly code: string | undefined

  constructor({ message, status, code }: Problem) {
    super(message)
    Object.assign(this, { status, code })
  }
}

/** How long a refusal's body may take, in milliseconds: one that never ends must not keep anybody from going on. */
const BODY_TIMEOUT = 1000

/** Returns what a response that is no success says of itself. */
export async function problemOf(response: Response): Promise<Problem> {
  const { status } = response
  const body = await new Promise<Partial<ErrorBody> | undefined>((resolve) => {
    const timer = setTimeout(resolve, BODY_TIMEOUT)
    const read = response.json().catch(() => undefined)
    void read.then(resolve).finally(() => clearTimeout(timer))
  })
  const { code, message } = body?.error ?? {}
  return { status, code, message: message ?? `the server answered ${status} ${response.statusText}`.trim() }
}
