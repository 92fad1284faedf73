import type { ConnectionState } from '../src/pricewire.js'
import { useNow } from './clock.js'
import { useSteadyConnection, useStore } from './connection.js'

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
      <span role="status">{LABELS[name(state)]}</span>
      {/* Hidden from screen readers, which would read it every second. */}
      {state.status === 'waiting' && (
        <span className="wait" aria-hidden="true">
          {wait(state.retryAt - now)}
        </span>
      )}
    </span>
  )
}

const LABELS = {
  live: 'Live',
  silent: 'Silent',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  paused: 'Paused',
  offline: 'Offline',
  closed: 'Closed',
}

function name(state: ConnectionState): keyof typeof LABELS {
  if (state.status === 'open') return state.isSilent ? 'silent' : 'live'
  if (state.status === 'waiting') return 'reconnecting'
  if (state.status === 'paused') return state.reason === 'offline' ? 'offline' : 'paused'
  // Closed without an error: nothing has subscribed yet.
  return state.status === 'closed' && state.error !== undefined ? 'closed' : 'connecting'
}

function wait(milliseconds: number): string {
  return milliseconds > 0 ? ` in ${Math.ceil(milliseconds / 1000)} s` : ' …'
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
          Try now
        </button>
      )}
    </div>
  )
}

function describe(state: ConnectionState, listError: string | undefined): string | undefined {
  if (state.status === 'waiting') {
    return `Connection lost: ${plain(state.error.message)}. Prices may be out of date. Reconnecting automatically.`
  }
  if (state.status === 'paused' && state.reason === 'offline') {
    return 'This device is offline. Prices are out of date, and you cannot buy or sell. The page reconnects when the device is online again.'
  }
  if (state.status === 'closed' && state.error !== undefined) {
    return `The server refused the stream: ${plain(state.error.message)}. The page is loading the instruments again.`
  }
  if (state.status === 'open' && state.isSilent)
    return 'The server has sent nothing for longer than it should. Prices may be out of date.'
  if (listError !== undefined) {
    return `The instruments could not be loaded: ${listError}. The page tries again every two seconds. If this does not help, check that “pricewire serve” is running.`
  }
  return undefined
}

/** Returns a message without the browser's error at its end, such as `(TypeError: Failed to fetch)`. */
function plain(message: string): string {
  return message.replace(/ \([^()]*\)$/, '')
}
