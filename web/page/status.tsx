import { useEffect, useState } from 'react'
import type { ConnectionState } from '../src/pricewire.js'
import { store } from './api.js'
import { useConnection, useNow } from './hooks.js'

/** The connection's state, in two words. */
export function Status() {
  const state = useConnection()
  const now = useNow(state.status === 'waiting')
  return (
    <span className="status" data-state={name(state)}>
      <i aria-hidden="true" />
      <span role="status">{LABELS[name(state)]}</span>
      {/* Not read out: it changes every second. */}
      {state.status === 'waiting' && <span aria-hidden="true"> in {secondsUntil(state.retryAt, now)} s</span>}
    </span>
  )
}

const LABELS = {
  live: 'Live',
  silent: 'Silent',
  connecting: 'Connecting',
  reconnecting: 'Reconnecting',
  closed: 'Closed',
}

function name(state: ConnectionState): keyof typeof LABELS {
  if (state.status === 'open') return state.isSilent ? 'silent' : 'live'
  if (state.status === 'waiting') return 'reconnecting'
  // Without an error it is only not needed yet.
  return state.status === 'closed' && state.error !== undefined ? 'closed' : 'connecting'
}

function secondsUntil(time: number, now: number): number {
  return Math.max(1, Math.ceil((time - now) / 1000))
}

/** Updates per second. */
export function Rate() {
  const [rate, setRate] = useState(0)
  useEffect(() => {
    let { received } = store
    let at = performance.now()
    const timer = setInterval(() => {
      const now = performance.now() // since a timer may be late
      setRate(Math.round((1000 * (store.received - received)) / (now - at)))
      received = store.received
      at = now
    }, 1000)
    return () => clearInterval(timer)
  }, [])
  return (
    <span className="rate" title="updates per second">
      <b>{rate.toLocaleString('en')}</b>
      <span> updates</span>/s
    </span>
  )
}

/** What happened, and what to do, while something is wrong. */
export function Trouble({ listError }: { listError: string | undefined }) {
  const state = useConnection()
  const text = describe(state, listError)
  if (text === undefined) return null
  return (
    <div className="trouble" role="alert">
      <p>{text}</p>
      {state.status !== 'open' && listError === undefined && (
        <button type="button" onClick={() => store.reconnect()}>
          Try now
        </button>
      )}
    </div>
  )
}

function describe(state: ConnectionState, listError: string | undefined): string | undefined {
  if (state.status === 'waiting') {
    return `Connection lost: ${state.error.message}. Prices may be old. They go on by themselves as soon as the server is back.`
  }
  if (state.status === 'closed' && state.error !== undefined) {
    return `The server refused the stream: ${state.error.message}. The list of instruments is being asked for again.`
  }
  if (state.status === 'open' && state.isSilent)
    return 'The server has been silent for longer than it should be. Prices may be old.'
  if (listError !== undefined) {
    return `The instruments could not be loaded: ${listError}. Trying again every two seconds; if it lasts, see whether “pricewire serve” is running.`
  }
  return undefined
}
