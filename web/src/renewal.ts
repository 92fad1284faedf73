import { type ChangeOptions, changeStream } from './changes.js'
import { LONGEST_TIMER } from './reconnect.js'
import type { Credentials } from './tokens.js'

/** Where the stream is, and whose; the credentials have a provider. */
interface RenewalOptions extends Omit<ChangeOptions, 'signal'> {
  readonly credentials: Credentials
}

/**
 * Keeps a stream of Pricewire alive beyond its token: before that expires, the stream is changed with a fresh one.
 *
 * Where that fails nothing is lost: the server ends the stream with `TOKEN_EXPIRED`, and it is resumed with a fresh token.
 *
 * @returns the function that ends it.
 */
export function renew(streamId: string, options: RenewalOptions): () => void {
  const ended = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const schedule = () => {
    // One more, as timers count whole milliseconds: too early, the token would not be replaced yet.
    const wait = options.credentials.renewAt - Date.now() + 1
    if (wait < LONGEST_TIMER && !ended.signal.aborted) timer = setTimeout(renewNow, wait)
  }
  const renewNow = async () => {
    try {
      // The change itself is empty. It goes out with the next token, since the last one is due.
      const response = await changeStream(streamId, {}, { ...options, signal: ended.signal })
      if (response.ok) schedule()
    } catch {
      // As said above.
    }
  }
  schedule()
  return () => {
    ended.abort()
    clearTimeout(timer)
  }
}
