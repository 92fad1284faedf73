import type { ConnectionState } from '../src/pricewire.js'
import { useNow } from './hooks.js'
import { useSteadyConnection, useStore } from './server.js'

/** The connection's state, in two words. */
export function Status() {
  const state = useSteadyConnection()
  const now = useNow(state.status === 'waiting')
  return (
    <span className="status" data-state={name(state)}>
      <i aria-hidden="true" />
      <span role="status">{LABELS[name(state)]}</span>
      {/* Not read out: it changes every second. */}
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
  // Without an error it is only not needed yet.
  return state.status === 'closed' && state.error !== undefined ? 'closed' : 'connecting'
}

function wait(milliseconds: number): string {
  return milliseconds > 0 ? ` in ${Math.ceil(milliseconds / 1000)} s` : ' …'
}

/** What happened, and what to do, while something is wrong. */
export function Trouble({ listError }: { listError: string | undefined }) {
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
    return `Connection lost: ${plain(state.error.message)}. Prices may be old. They go on by themselves as soon as the server is back.`
  }
  if (state.status === 'paused' && state.reason === 'offline') {
    return 'This device is offline. Prices are old, and nothing can be bought or sold. Everything goes on as soon as it is back.'
  }
  if (state.status === 'closed' && state.error !== undefined) {
    return `The server refused the stream: ${plain(state.error.message)}. The list of instruments is being asked for again.`
  }
  if (state.status === 'open' && state.isSilent)
    return 'The server has been silent for longer than it should be. Prices may be old.'
  if (listError !== undefined) {
    return `The instruments could not be loaded: ${listError}. Trying again every two seconds; if it lasts, see whether “pricewire serve” is running.`
  }
  return undefined
}

/** Returns a message without the browser's own words at its end, such as `(TypeError: Failed to fetch)`. */
function plain(message: string): string {
  return message.replace(/ \([^()]*\)$/, '')
}
