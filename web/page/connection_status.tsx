import type { ConnectionState } from '../src/pricewire.js'
import { useNow } from './clock.js'
import { useSteadyConnection, useStore } from './connection.js'
import { reasonOf } from './error_text.js'
import { formatCount } from './format.js'
import { texts } from './texts/language.js'

/** The state of the page's connection, in one or two words. */
export function Status() {
  return <StatusOf state={useSteadyConnection()} />
}

/** The state of a connection, in one or two words. */
export function StatusOf({ state }: { state: ConnectionState }) {
  const now = useNow(state.status === 'waiting')
  return (
    <span className="status" data-state={name(state)}>
      <i aria-hidden="true" />
      <span role="status">{texts.connection[name(state)]}</span>
      {/* Hidden from screen readers, which would read it every second. */}
      {state.status === 'waiting' && (
        <span className="wait" aria-hidden="true">
          {wait(state.retryAt - now)}
        </span>
      )}
    </span>
  )
}

type StatusName = 'live' | 'silent' | 'connecting' | 'reconnecting' | 'paused' | 'offline' | 'closed'

function name(state: ConnectionState): StatusName {
  if (state.status === 'open') return state.isSilent ? 'silent' : 'live'
  if (state.status === 'waiting') return 'reconnecting'
  if (state.status === 'paused') return state.reason === 'offline' ? 'offline' : 'paused'
  // Closed without an error: nothing has subscribed yet.
  return state.status === 'closed' && state.error !== undefined ? 'closed' : 'connecting'
}

function wait(milliseconds: number): string {
  const { retryIn, retrying } = texts.connection
  return milliseconds > 0 ? retryIn(formatCount(Math.ceil(milliseconds / 1000))) : retrying
}

/** What is wrong with the connection, and what to do about it; nothing if all is well. */
export function ConnectionProblem({ listError }: { listError: string | undefined }) {
  const store = useStore()
  const state = useSteadyConnection()
  const text = describe(state, listError)
  if (text === undefined) return null
  return (
    <div className="trouble" role="alert">
      <p>{text}</p>
      {(state.status === 'waiting' || state.status === 'closed') && listError === undefined && (
        <button type="button" className="button" onClick={() => store.reconnect()}>
          {texts.connection.tryNow}
        </button>
      )}
    </div>
  )
}

function describe(state: ConnectionState, listError: string | undefined): string | undefined {
  if (state.status === 'waiting') {
    return texts.connection.lost(reasonOf(state.error))
  }
  if (state.status === 'paused' && state.reason === 'offline') {
    return texts.connection.offlineProblem
  }
  if (state.status === 'closed' && state.error !== undefined) {
    return texts.connection.refused(reasonOf(state.error))
  }
  if (state.status === 'open' && state.isSilent) return texts.connection.silentProblem
  if (listError !== undefined) return texts.connection.noInstruments(listError)
  return undefined
}
