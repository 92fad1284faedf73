/**
 * Live trading data as React hooks.
 *
 * @packageDocumentation
 */

import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import {
  type Candle,
  type ConnectionState,
  type Envelope,
  type InstrumentPrice,
  type ServerOptions,
  type SSEError,
  sharedStore,
  type Tick,
  type TopicState,
} from './pricewire.js'

/** The price of an instrument, in numbers. */
export interface MarketPrice extends InstrumentPrice {
  /** The middle of bid and ask. */
  readonly price: number
  /** The price's time at its source, in milliseconds since 1970 in UTC. */
  readonly epoch_ms: number
}

/** What all hooks can be told: the server, and whom to call back. Hooks with the same server options share one connection. */
export interface HookOptions extends ServerOptions {
  readonly onError?: ((error: SSEError) => void) | undefined
  readonly onConnect?: (() => void) | undefined
  readonly onDisconnect?: (() => void) | undefined
}

/** What {@link useMarketSSE} can be told. */
export interface MarketOptions extends HookOptions {
  /** Called with every price, however many come between two renderings. */
  readonly onPrice?: ((price: MarketPrice) => void) | undefined
}

/** What {@link useCandlesSSE} can be told. */
export interface CandlesOptions extends HookOptions {
  /** Called with every candle. `seq` counts the topic's events, and `merged` of them are left out before this one. */
  readonly onCandle?: ((candle: Candle, event: { readonly seq: number; readonly merged?: number }) => void) | undefined
}

/** What is known of the connection. */
export interface Connected {
  readonly isConnected: boolean
  /** Whether what was received last may be old: not connected, or the server or the feed has fallen silent. */
  readonly isStale: boolean
  /** Why it is not connected. */
  readonly error: SSEError | null
}

/**
 * Keeps a component at the newest price of an instrument, rendering it at most once per animation frame.
 *
 * @param instrumentId - `R_100` for instance; without one nothing is subscribed.
 *
 * @example
 * ```tsx
 * function Price() {
 *   const { price, isConnected } = useMarketSSE('R_100')
 *   return <output>{isConnected ? price?.bid : '…'}</output>
 * }
 * ```
 */
export function useMarketSSE(
  instrumentId: string | undefined,
  options: MarketOptions = {},
): Connected & { readonly price: MarketPrice | null } {
  const topic = instrumentId && `ticks:${instrumentId}`
  const [envelope, connected] = useTopic(topic, 'tick', options, ({ data }) => options.onPrice?.(toPrice(data)))
  const price = useMemo(() => (envelope ? toPrice(envelope.data) : null), [envelope])
  return { price, ...connected }
}

/**
 * Keeps a component at the newest candle of an instrument, rendering it at most once per animation frame.
 *
 * @param instrumentId - `R_100` for instance; without one nothing is subscribed.
 * @param granularity - the candle's span, in seconds.
 */
export function useCandlesSSE(
  instrumentId: string | undefined,
  granularity: number,
  options: CandlesOptions = {},
): Connected & { readonly candle: Candle | null } {
  const topic = instrumentId && `candles:${instrumentId}:${granularity}`
  const [envelope, connected] = useTopic(topic, 'candle', options, (event) => options.onCandle?.(event.data, event))
  return { candle: envelope?.data ?? null, ...connected }
}

type EnvelopeOf<Name extends Envelope['event']> = Extract<Envelope, { event: Name }>

function useTopic<Name extends Envelope['event']>(
  topic: string | undefined,
  name: Name,
  options: HookOptions,
  onEvent: (envelope: EnvelopeOf<Name>) => void,
): [EnvelopeOf<Name> | undefined, Connected] {
  const store = sharedStore(options)
  // The callbacks of the newest rendering are called; that they are new functions each time must not subscribe anew.
  const latest = useRef({ onEvent, options })
  useEffect(() => {
    latest.current = { onEvent, options }
  })

  const subscribe = useCallback(
    (render: () => void) => {
      if (topic === undefined) return () => {}
      const end = store.subscribe(topic, ({ envelope, isStale }) => {
        // Going stale is news of the topic, but no event.
        if (!isStale && envelope?.event === name) latest.current.onEvent(envelope as EnvelopeOf<Name>)
        requestRender(render)
      })
      return () => {
        end()
        cancelRender(render)
      }
    },
    [store, topic, name],
  )
  const { envelope, isStale } = useSyncExternalStore(subscribe, () => store.topic(topic ?? ''), noTopic)

  const subscribeState = useCallback((render: () => void) => store.onState(render), [store])
  const state = useSyncExternalStore(subscribeState, () => store.state, noConnection)
  useEffect(() => {
    if (topic === undefined) return
    let wasConnected = false
    const endErrors = store.onError((error) => latest.current.options.onError?.(error))
    const endStates = store.onState(({ status }) => {
      const isConnected = status === 'open'
      if (isConnected === wasConnected) return
      wasConnected = isConnected
      if (isConnected) latest.current.options.onConnect?.()
      else latest.current.options.onDisconnect?.()
    })
    return () => {
      endErrors()
      endStates()
    }
  }, [store, topic])

  const isConnected = state.status === 'open'
  const error = 'error' in state ? (state.error ?? null) : null
  return [
    envelope?.event === name ? (envelope as EnvelopeOf<Name>) : undefined,
    { isConnected, isStale: isStale || !isConnected || state.isSilent, error },
  ]
}

function toPrice({ instrument_id, bid, ask, price, epoch_ms }: Tick): MarketPrice {
  const epoch = Number(epoch_ms)
  return {
    instrument_id,
    bid: Number(bid),
    ask: Number(ask),
    price: Number(price),
    epoch_ms: epoch,
    timestamp: new Date(epoch).toISOString(),
  }
}

// While a page is rendered on the server, there is no connection.
const NO_TOPIC: TopicState = { envelope: undefined, isStale: false }
const NO_CONNECTION: ConnectionState = { status: 'closed' }
const noTopic = () => NO_TOPIC
const noConnection = () => NO_CONNECTION

// All hooks share one animation frame, so that React renders all components that have news at once.
const due = new Set<() => void>()
let frame = 0

function requestRender(render: () => void): void {
  if (due.size === 0) frame = requestAnimationFrame(renderDue)
  due.add(render)
}

function cancelRender(render: () => void): void {
  if (due.delete(render) && due.size === 0) cancelAnimationFrame(frame)
}

function renderDue(): void {
  const renders = [...due]
  due.clear()
  for (const render of renders) render()
}
