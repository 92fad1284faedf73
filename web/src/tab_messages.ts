import type { ConnectionState } from './connection.js'
import type { CurrentValues } from './current_values.js'
import type { Envelope } from './messages.js'
import type { Resumption } from './multiplexer.js'
import { type Problem, SSEError } from './problem.js'

/** The state of a topic, as it is sent from tab to tab. */
export interface Value {
  /** The newest event. */
  readonly envelope?: Envelope
  readonly current?: CurrentValues
  readonly isStale?: boolean
  readonly problem?: Problem
}

/** What the leader's connection brings, for all tabs. */
export type Told =
  | { readonly type: 'event'; readonly envelope: Envelope; readonly id: string }
  | { readonly type: 'stale'; readonly topic: string }
  /** The leader's stream does not carry a topic; `isAnew`: since it has begun anew, and not since nobody was known to want it. */
  | { readonly type: 'dropped'; readonly topic: string; readonly isAnew: boolean }
  | { readonly type: 'refused'; readonly topic: string; readonly problem: Problem }
  | { readonly type: 'state'; readonly state: ConnectionState }
  | { readonly type: 'error'; readonly problem: Problem }
  /** What the stream carries. */
  | { readonly type: 'topics'; readonly stream: Resumption }

/** From the leader to one tab: everything it knows. */
export interface All {
  readonly type: 'all'
  readonly to: string
  readonly values: ReadonlyMap<string, Value>
  readonly stream: Resumption
  readonly state: ConnectionState
}

/** From the leader: what it tells, that it has started to lead, that it is alive. */
export type FromLeader = Told | All | { readonly type: 'lead' | 'alive' }

/** From the leader; the term says of which: a later leader's is higher. */
export type Led = FromLeader & { readonly term: number }

/** A message on the channel of the tabs that share a connection. */
export type Message =
  | Led
  /** From another tab: the topics it wants; `isNew`: it has to be told everything. */
  | { readonly type: 'want'; readonly tab: string; readonly topics: readonly string[]; readonly isNew: boolean }
  | { readonly type: 'leave'; readonly tab: string }
  /** From another tab: is the leader alive? */
  | { readonly type: 'ask' | 'reconnect' | 'wake' }

/** Returns an error as it can be sent: the channel would copy only its message. */
export function toProblem({ message, status, code }: SSEError): Problem {
  return { message, status, code }
}

/** Returns a state as it can be sent. */
export function toPlain(state: ConnectionState): ConnectionState {
  if (!('error' in state) || state.error === undefined) return state
  return { ...state, error: toProblem(state.error) } as ConnectionState
}

/** Returns a state that was sent. */
export function fromPlain(state: ConnectionState): ConnectionState {
  if (!('error' in state) || state.error === undefined) return state
  return { ...state, error: new SSEError(state.error) }
}
