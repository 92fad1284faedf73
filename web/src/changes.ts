import type { Credentials } from './tokens.js'

/** How an open stream is to change. */
export interface StreamChange {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  /** Milliseconds between two updates of a topic. */
  readonly interval_ms?: number
}

/** Where a stream is, and as whom it is changed. */
export interface ChangeOptions {
  /** The server, without a slash at its end. */
  readonly base: string
  readonly credentials: Credentials | undefined
  readonly fetch: typeof fetch | undefined
  readonly signal: AbortSignal
}

/** Asks the server to change an open stream; what comes with it is in the token: a fresh one renews the stream's life. */
export async function changeStream(streamId: string, change: StreamChange, options: ChangeOptions): Promise<Response> {
  const { base, credentials, signal, fetch = globalThis.fetch } = options
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (credentials !== undefined) headers['Authorization'] = `Bearer ${await credentials.get()}`
  const url = `${base}/v1/streams/${encodeURIComponent(streamId)}`
  return fetch(url, { method: 'PATCH', headers, body: JSON.stringify(change), signal })
}
