import type { Credentials } from './tokens.js'

/** A change of an open stream. */
export interface StreamChange {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  /** The time between two updates of a topic, in milliseconds. */
  readonly interval_ms?: number
}

/** The server of a stream, and the credentials to change it with. */
export interface ChangeOptions {
  /** The server's URL, without a slash at its end. */
  readonly base: string
  readonly credentials: Credentials | undefined
  readonly fetch: typeof fetch | undefined
  readonly signal: AbortSignal
}

/** Asks the server to change an open stream. A newer token in the request also renews the stream. */
export async function changeStream(streamId: string, change: StreamChange, options: ChangeOptions): Promise<Response> {
  const { base, credentials, signal, fetch = globalThis.fetch } = options
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (credentials !== undefined) headers['Authorization'] = `Bearer ${await credentials.get()}`
  const url = `${base}/v1/streams/${streamId}`
  return fetch(url, { method: 'PATCH', headers, body: JSON.stringify(change), signal })
}
