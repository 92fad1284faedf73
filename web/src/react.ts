/**
 * Live trading data as React hooks.
 *
 * @packageDocumentation
 */

import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { type Paced, paced } from './pace.js'
import {
  type Balance,
  type Candle,
  type ConnectionState,
  type Contract,
  type ContractPriceResponse,
  type DurationUnit,
  type Envelope,
  type InstrumentPrice,
  type Pace,
  type Proposal,
  type QueryStore,
  type SSEError,
  type StoreOptions,
  sharedQuery,
  sharedStore,
  type Tick,
  type Token,
  type TopicState,
  type TopicStore,
} from './pricewire.js'
import { type Shown, type Source, View } from './view.js'

/**
 * The price of an instrument, as numbers, for display: a number holds about 16 digits, so a price of more is rounded, and from 1e21 on it is
 * written with an exponent. Everything else that the library gives is the server's text, a `Price`, with every digit.
 */
export interface MarketPrice extends InstrumentPrice {
  /** A number, rounded to about 16 digits. */
  readonly bid: number
  /** A number, rounded to about 16 digits. */
  readonly ask: number
  /** The middle of bid and ask: a number, rounded to about 16 digits. */
  readonly price: number
  /** The time of the price at its source, in milliseconds since 1970 in UTC. */
  readonly epoch_ms: number
}

/**
 * The options of all hooks: the server, the pace, and callbacks. Hooks with the same server, identity, policy and `fetch` share one connection.
 *
 * The callbacks of the newest rendering are called, so they may be new functions each time; but the `fetch` of the first.
 */
export interface HookOptions extends StoreOptions, Pace {
  readonly onError?: ((error: SSEError) => void) | undefined
  readonly onConnect?: (() => void) | undefined
  readonly onDisconnect?: (() => void) | undefined
}

/** The options of {@link useMarketSSE}. */
export interface MarketOptions extends HookOptions {
  /** Called with every price, even between two renderings. */
  readonly onPrice?: ((price: MarketPrice) => void) | undefined
}

/** The position of an event in its topic: its sequence number, and how many older events it replaces. */
export interface EventPlace {
  readonly seq: number
  readonly merged?: number
}

/** The options of {@link useCandlesSSE}. */
export interface CandlesOptions extends HookOptions {
  /** Called with every candle. */
  readonly onCandle?: ((candle: Candle, event: EventPlace) => void) | undefined
}

/** The options of {@link useTopic}. */
export interface TopicOptions<Data> extends HookOptions {
  /** Called with every message, even between two renderings. */
  readonly onData?: ((data: Data, event: EventPlace) => void) | undefined
}

/** The options of {@link useTopics}. */
export interface TopicsOptions<Data> extends HookOptions {
  /** Called with every message of every topic, even between two renderings. The `subscription_id` of the event is the topic's name. */
  readonly onData?: ((data: Data, event: EventPlace & { readonly subscription_id: string }) => void) | undefined
}

/** The options of {@link useContractSSE}. */
export interface ContractOptions extends HookOptions {
  readonly onPrice?: ((price: ContractPriceResponse) => void) | undefined
}

/** The options of {@link useProposalSSE}. */
export interface ProposalOptions extends HookOptions {
  readonly onProposal?: ((proposal: Proposal) => void) | undefined
}

/** The options of {@link usePositionsSSE}. */
export interface PositionsOptions extends HookOptions {
  readonly onPositions?: ((positions: readonly Contract[]) => void) | undefined
}

/** The options of {@link useBalanceSSE}. */
export interface BalanceOptions extends HookOptions {
  readonly onBalance?: ((balance: Balance) => void) | undefined
}

/** The contract to price, with a given payout. */
export interface ContractParams {
  /** A number and a unit (days, hours, minutes, seconds or ticks): `5m`, `10t`. */
  readonly duration: `${number}${'d' | 'h' | 'm' | 's' | 't'}`
  readonly instrument: string
  readonly trade_type: 'CALL' | 'PUT' | 'TOUCH' | 'NOTOUCH'
  readonly currency: string
  readonly payout: string
  readonly strike?: string | undefined
}

/** The contract to price, with a given stake. */
export interface ProposalParams {
  readonly product_id: string
  readonly instrument_id: string
  readonly duration: number
  readonly duration_unit: DurationUnit
  readonly stake: string
  /** The currency of the stake: `USD` by default. */
  readonly currency?: string | undefined
  readonly allow_equals?: boolean | undefined
  /** A price, or an offset from the spot with its sign. Default: the server chooses. */
  readonly barrier?: string | undefined
}

/** The state of the connection. */
export interface Connected {
  readonly isConnected: boolean
  /** Whether the last data may be old: there is no connection, or the server or the feed is silent. */
  readonly isStale: boolean
  /** Why there is no connection, or why the server refuses this topic. */
  readonly error: SSEError | null
}

/**
 * Returns the newest price of an instrument, live. Renders at most once per animation frame.
 *
 * @param instrumentId - such as `R_100`; undefined subscribes to nothing.
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
  const [tick, connected] = useTopicData<Tick>(topic, options, (tick) => options.onPrice?.(toPrice(tick)))
  const price = useMemo(() => (tick ? toPrice(tick) : null), [tick])
  return { price, ...connected }
}

/**
 * Returns the newest candle of an instrument, live. Renders at most once per animation frame.
 *
 * @param instrumentId - such as `R_100`; undefined subscribes to nothing.
 * @param granularity - the time span of the candle, in seconds.
 */
export function useCandlesSSE(
  instrumentId: string | undefined,
  granularity: number,
  options: CandlesOptions = {},
): Connected & { readonly candle: Candle | null } {
  const topic = instrumentId && `candles:${instrumentId}:${granularity}`
  const [candle, connected] = useTopicData<Candle>(topic, options, (candle, event) => options.onCandle?.(candle, event))
  return { candle, ...connected }
}

/**
 * Returns the live price of a contract that could be bought, for a given payout.
 *
 * @param params - the contract; undefined subscribes to nothing.
 * @param authToken - a bearer token, or a function that returns one; without it the public path is used.
 */
export function useContractSSE(
  params: ContractParams | undefined,
  authToken?: Token | null,
  options: ContractOptions = {},
): Connected & { readonly price: ContractPriceResponse | null } {
  const [price, connected] = useQuery<ContractPriceResponse>(
    params && { action: 'contract_price', ...params },
    { ...options, token: authToken ?? undefined },
    (price) => options.onPrice?.(price),
  )
  return { price, ...connected }
}

/**
 * Returns the live price of a contract that could be bought, for a given stake, in both variants of its product.
 *
 * @param params - the contract; undefined subscribes to nothing.
 */
export function useProposalSSE(
  params: ProposalParams | undefined,
  options: ProposalOptions = {},
): Connected & { readonly proposal: Proposal | null } {
  const topic = params && proposalTopic(params)
  const [proposal, connected] = useTopicData<Proposal>(topic, options, (proposal) => options.onProposal?.(proposal))
  return { proposal, ...connected }
}

/**
 * Returns the open contracts of an account, with their live profit and loss.
 *
 * @param accountId - the account's uuid; undefined subscribes to nothing.
 * @param authToken - a bearer token of the account, or a function that returns one.
 */
export function usePositionsSSE(
  accountId: string | undefined,
  authToken: Token | null | undefined,
  options: PositionsOptions = {},
): Connected & { readonly positions: readonly Contract[] | null } {
  const [body, connected] = useTopicData<{ readonly contracts: readonly Contract[] }>(
    accountId && authToken ? `open_contracts:${accountId}` : undefined,
    { ...options, token: authToken ?? undefined },
    ({ contracts }) => options.onPositions?.(contracts),
  )
  return { positions: body?.contracts ?? null, ...connected }
}

/**
 * Returns the balance of an account, live.
 *
 * @param accountId - the account's uuid; undefined subscribes to nothing.
 * @param authToken - a bearer token of the account, or a function that returns one.
 */
export function useBalanceSSE(
  accountId: string | undefined,
  authToken: Token | null | undefined,
  options: BalanceOptions = {},
): Connected & { readonly balance: Balance | null } {
  const [balance, connected] = useTopicData<Balance>(
    accountId && authToken ? `balance:${accountId}` : undefined,
    { ...options, token: authToken ?? undefined },
    (balance) => options.onBalance?.(balance),
  )
  return { balance, ...connected }
}

/**
 * Returns the newest message of any topic, live: of a hub of one's own, for instance. Renders at most once per animation frame.
 *
 * @typeParam Data - what the topic's messages are; nothing checks it.
 * @param topic - the topic's name on the server; undefined subscribes to nothing.
 *
 * @example
 * ```tsx
 * const { data } = useTopic<{ text: string }>('news', { baseUrl: '/live' })
 * ```
 */
export function useTopic<Data>(
  topic: string | undefined,
  options: TopicOptions<Data> = {},
): Connected & { readonly data: Data | null } {
  const [data, connected] = useTopicData<Data>(topic, options, (data, event) => options.onData?.(data, event))
  return { data, ...connected }
}

/**
 * Returns the newest message of each topic of a pattern, live, by the topic's name, in the order in which the topics have come. Renders at most once
 * per animation frame; the pace holds for each topic. These hooks have a connection beside that of the others, which tabs do not share.
 *
 * @typeParam Data - what the topics' messages are; nothing checks it.
 * @param pattern - the beginning of topics' names with a `*` at its end: all of them, those that there are and those that come; undefined subscribes
 * to nothing.
 *
 * @example
 * ```tsx
 * const { data } = useTopics<Tick>('ticks:1HZ*')
 * return [...data].map(([topic, { bid }]) => <output key={topic}>{bid}</output>)
 * ```
 */
export function useTopics<Data>(
  pattern: string | undefined,
  options: TopicsOptions<Data> = {},
): Connected & { readonly data: ReadonlyMap<string, Data> } {
  const store = sharedStore({ ...useServer(options), shareTabs: false })
  const { throttle, debounce } = options
  const source = useMemo(() => topicsOf(store, pattern, { throttle, debounce }), [store, pattern, throttle, debounce])
  const { value, state } = useView(
    source,
    { ...options, throttle: 0, debounce: 0 },
    (topics) => topics && callWith(topics.last, options.onData),
  )
  const [data, isStale] = useMemo(() => {
    // Not those that had ended when the stream began anew.
    const known = new Set(store.topicsOf(pattern ?? ''))
    const kept = [...(value?.states ?? [])].filter(([topic]) => known.has(topic))
    return [
      new Map(kept.map(([topic, { envelope }]) => [topic, envelope?.data as Data])),
      kept.some(([, each]) => each.isStale),
    ] as const
  }, [store, pattern, value])
  return { data, ...toConnected(state, isStale, store.topic(pattern ?? '').error) }
}

/**
 * Returns the state of the connection that the hooks with these options share. It does not open a connection.
 *
 * `reconnect` reconnects now: for a button beside "reconnecting in 20 s", or after the connection has given up.
 */
export function usePricewireState(
  options: HookOptions = {},
): Connected & { readonly state: ConnectionState; readonly reconnect: () => void } {
  const store = sharedStore(useServer(options))
  const source = useMemo(() => ({ store, read: () => undefined, subscribe: () => () => {} }), [store])
  const { state } = useView<undefined>(source, options, () => {})
  const reconnect = useMemo(() => () => store.reconnect(), [store])
  return { state, reconnect, ...toConnected(state) }
}

/** Keeps the `fetch` of a component's first rendering: with a new function at every rendering it would connect at every rendering. */
function useServer(options: HookOptions): HookOptions {
  const fetch = useRef(options.fetch)
  if (!fetch.current !== !options.fetch) fetch.current = options.fetch
  return { ...options, fetch: fetch.current }
}

/** The state of each topic of a pattern, which the next change goes into too, and the one that has changed last. */
interface Topics {
  readonly states: ReadonlyMap<string, TopicState>
  readonly last: TopicState
}

/** With how many topics it is time to forget those that the store has forgotten: it keeps half as many. */
const MOST_TOPICS = 2000

/** Returns a source of the topics of a pattern, each at a pace of its own. */
function topicsOf(store: TopicStore, pattern: string | undefined, pace: Pace): Source<Topics | undefined> {
  // One map for all changes: a copy for each would cost as much as all its topics.
  const states = new Map<string, TopicState>()
  let value: Topics | undefined
  return {
    store,
    read: () => value,
    subscribe: (listener) => {
      if (!pattern) return () => {}
      // All that is known comes again.
      states.clear()
      const topics = new Map<string, Paced<TopicState>>()
      const take = (last: TopicState) => {
        states.set(last.envelope?.subscription_id ?? '', last)
        value = { states, last }
        listener()
      }
      const end = store.subscribe(pattern, (state) => {
        const topic = state.envelope?.subscription_id ?? ''
        let own = topics.get(topic)
        if (own === undefined) {
          const known = topics.size < MOST_TOPICS ? topics : new Set(store.topicsOf(pattern))
          for (const [each, other] of topics) {
            if (known.has(each)) continue
            other.cancel()
            topics.delete(each)
            states.delete(each)
          }
          own = paced(take, pace)
          topics.set(topic, own)
        }
        own.push(state)
      })
      return () => {
        end()
        for (const own of topics.values()) own.cancel()
      }
    },
  }
}

/** Calls back with the event that has made a state: a topic that becomes stale or is refused changes its state, but has no new event. */
function callWith<Data>(
  { envelope, isStale, error }: TopicState,
  onData: ((data: Data, event: Envelope) => void) | undefined,
): void {
  if (envelope !== undefined && !isStale && error === undefined) onData?.(envelope.data as Data, envelope)
}

function useTopicData<Data>(
  topic: string | undefined,
  options: HookOptions,
  onData: (data: Data, event: EventPlace) => void,
): [Data | null, Connected] {
  if (topic?.endsWith('*')) throw new TypeError(`${topic} is a pattern, and has many topics: take useTopics`)
  const store = sharedStore(useServer(options))
  const source = useMemo<Source<TopicState>>(
    () => ({
      store,
      read: () => store.topic(topic ?? ''),
      subscribe: (listener) => (topic ? store.subscribe(topic, listener) : () => {}),
    }),
    [store, topic],
  )
  const { value, state } = useView(source, options, (state) => callWith(state, onData))
  const { envelope, isStale, error } = value ?? {}
  return [(envelope?.data as Data | undefined) ?? null, toConnected(state, isStale, error)]
}

function useQuery<Message>(
  params: Readonly<Record<string, string | undefined>> | undefined,
  options: HookOptions,
  onMessage: (message: Message) => void,
): [Message | null, Connected] {
  const key = params && JSON.stringify(params)
  const store: QueryStore<Message> = sharedQuery<Message>(params ?? {}, useServer(options))
  const source = useMemo<Source<Message | undefined>>(
    () => ({
      store,
      read: () => store.message,
      subscribe: (listener) => (key === undefined ? () => {} : store.subscribe(listener)),
    }),
    [store, key],
  )
  const { value, state } = useView(source, options, (message) => message !== undefined && onMessage(message))
  return [value ?? null, toConnected(state)]
}

/** What is shown when a page is rendered on the server, where there is no connection. */
const NOTHING: Shown<undefined> = { value: undefined, state: { status: 'closed' } }
const nothing = () => NOTHING

function useView<Value>(
  source: Source<Value>,
  options: HookOptions,
  onValue: (value: Value) => void,
): Shown<Value | undefined> {
  // New callback functions at every rendering must not subscribe again, so the newest ones are kept in a ref.
  const latest = useRef({ onValue, options })
  useEffect(() => {
    latest.current = { onValue, options }
  })
  const { throttle, debounce } = options
  const view = useMemo(
    () => new View<Value>(source, { throttle, debounce }, (value) => latest.current.onValue(value)),
    [source, throttle, debounce],
  )
  useEffect(() => {
    let wasConnected = false
    const ends = [
      source.store.onError((error) => latest.current.options.onError?.(error)),
      source.store.onState(({ status }) => {
        const isConnected = status === 'open'
        if (isConnected === wasConnected) return
        wasConnected = isConnected
        if (isConnected) latest.current.options.onConnect?.()
        else latest.current.options.onDisconnect?.()
      }),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [source])
  return useSyncExternalStore<Shown<Value | undefined>>(view.subscribe, view.read, nothing)
}

function toConnected(state: ConnectionState, isStale = false, error?: SSEError): Connected {
  const isConnected = state.status === 'open'
  return {
    isConnected,
    isStale: isStale || !isConnected || state.isSilent,
    error: error ?? ('error' in state ? (state.error ?? null) : null),
  }
}

function proposalTopic(params: ProposalParams): string {
  const { product_id, instrument_id, duration, duration_unit, allow_equals = false, barrier, currency = 'USD' } = params
  const stake = currency === 'USD' ? [] : [currency]
  const parts = [
    'proposal',
    product_id,
    instrument_id,
    duration,
    duration_unit,
    ...stake,
    shortest(params.stake),
    allow_equals,
  ]
  return (barrier === undefined ? parts : [...parts, shortest(barrier)]).join(':')
}

/** Returns a decimal number without redundant zeros, as the server writes it in the names of topics. */
function shortest(number: string): string {
  const text = number.replace(/^([+-]?)0+(?=\d)/, '$1')
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
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
