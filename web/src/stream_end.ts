/**
 * Why the server ends a stream: the codes of the event `error`, for programs, and their messages, for people.
 *
 * The server's `protocol/stream_end.py` has the same table, and a test compares the two.
 */
export const STREAM_ENDS = {
  TOKEN_EXPIRED: 'the token has expired; reconnect with a new one',
  TOKEN_REVOKED: 'the token was revoked; log in again',
  SERVER_DRAINING: 'the server is stopping; reconnect',
  SLOW_CONSUMER: 'the stream fell behind what is kept of its topics; reconnect to start anew',
  INTERNAL_ERROR: 'the server could not encode an event',
} as const

/** A code by which the server says why it ends a stream. */
export type StreamEndCode = keyof typeof STREAM_ENDS

/** Returns the data of an event `error` of the server's; nothing of any other. */
export function streamEndOf(data: string): { readonly error?: { readonly code?: StreamEndCode } } {
  try {
    return Object(JSON.parse(data))
  } catch {
    return {}
  }
}
