import { type ChangeOptions, changeStream } from './changes.js'
import { LONGEST_TIMER } from './reconnect.js'
import { type Credentials, exchangeAt } from './tokens.js'

/** The shortest time between two exchanges, in milliseconds, whatever a provider brings. */
const SHORTEST = 1000

/**
 * Keeps a stream of Pricewire alive beyond its token: before that expires, the stream is changed with a fresh one.
 *
 * Where that fails nothing is lost: the server ends the stream with `TOKEN_EXPIRED`, and it is resumed with a fresh token.
 *
 * @param credentials - with a provider.
 * @returns the function that ends it.
 */
export function renew(streamId: string, credentials: Credentials, options: Omit<ChangeOptions, 'signal'>): () => void {
  const ended = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const schedule = (token: string) => {
    const wait = Math.max(SHORTEST, exchangeAt(token) - Date.now())
    if (wait < LONGEST_TIMER && !ended.signal.aborted) timer = setTimeout(exchange, wait, token)
  }
  const exchange = async (token: string) => {
    try {
      const fresh = await credentials.refresh(token)
      if (ended.signal.aborted || fresh === token) return
      const response = await changeStream(streamId, {}, { ...options, signal: ended.signal })
      if (response.ok) schedule(fresh)
    } catch {
      // As said above.
    }
  }
  void credentials.get().then(schedule, () => {})
  return () => {
    ended.abort()
    clearTimeout(timer)
  }
}
