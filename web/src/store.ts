import type { BaseStore } from './base_store.js'
import type { ServerOptions, SSEParams } from './connection.js'
import { QueryStore } from './query_store.js'
import { LazyTabs } from './tabs_loader.js'
import { Credentials, type Token } from './tokens.js'
import { TopicStore } from './topic_store.js'

/** The options that select a store, and those of its connection. */
export interface StoreOptions extends ServerOptions {
  /**
   * Whose connection it is, if `token` is a function: give another identity when the function returns tokens of another account.
   * With the same identity, a new function at every rendering is fine.
   */
  readonly identity?: string | undefined
  /**
   * Whether all tabs with the same server and identity share one connection, if the browser can. Default true, unless `fetch` is given, which
   * would see nothing while another tab has the connection.
   */
  readonly shareTabs?: boolean | undefined
}

/** How many stores are kept that have not been used yet: rendering makes them, and does not say whether its result is ever shown. */
const MOST_UNUSED = 100

interface Kept<Store extends BaseStore> {
  readonly store: Store
  readonly token: Token | undefined
}

const credentials = new Map<string, Credentials>()
const topicStores = new Map<string, Kept<TopicStore>>()
const queryStores = new Map<string, Kept<QueryStore>>()
/** Numbers of functions, by which they can be part of a key. */
const numbers = new WeakMap<typeof fetch, number>()
let count = 0

/** Returns the store for these options: the same one for the same server and identity, so that the whole page shares one connection. */
export function sharedStore(options: StoreOptions = {}): TopicStore {
  const own = withCredentials(options)
  return take(topicStores, keyOf(options), own.token, () => {
    const { shareTabs = options.fetch === undefined } = options
    return shareTabs ? new TopicStore(own, (listener) => new LazyTabs(own, listener)) : new TopicStore(own)
  })
}

/** Returns the store of a stream without topics: the same one for the same parameters, server and identity. */
export function sharedQuery<Message>(params: SSEParams, options: StoreOptions = {}): QueryStore<Message> {
  const own = withCredentials(options)
  const key = JSON.stringify([params, keyOf(options)])
  return take(queryStores, key, own.token, () => new QueryStore(params, own)) as QueryStore<Message>
}

function keyOf(options: StoreOptions): string {
  const { baseUrl, token, identity, shareTabs, fetch } = options
  const { hiddenAfter, reconnectAttempts, reconnectInterval, reconnectCeiling } = options
  const who = typeof token === 'string' ? token : token && ['provider', identity]
  if (fetch && !numbers.has(fetch)) numbers.set(fetch, ++count)
  // As text, because JSON writes Infinity as null.
  const numbersOf = `${[hiddenAfter, reconnectAttempts, reconnectInterval, reconnectCeiling, fetch && numbers.get(fetch)]}`
  return JSON.stringify([baseUrl, who, shareTabs, numbersOf])
}

/** Makes all stores of an identity share its credentials, which call the newest token function. */
function withCredentials(options: StoreOptions): StoreOptions {
  const { baseUrl, identity, token } = options
  if (typeof token !== 'function') return options
  const key = JSON.stringify([baseUrl, identity])
  const shared = credentials.get(key) ?? new Credentials(token)
  credentials.set(key, shared)
  shared.provider = token
  return { ...options, token: shared }
}

function take<Store extends BaseStore>(
  stores: Map<string, Kept<Store>>,
  key: string,
  token: Token | undefined,
  make: () => Store,
): Store {
  const known = stores.get(key)
  if (known !== undefined) return known.store
  // Remove unused stores: of older tokens, of a stake that was only typed on the way to another, of pages that were rendered on a server.
  let excess = [...stores.values()].filter(({ store }) => !store.wasUsed).length - MOST_UNUSED
  for (const [old, { store }] of stores) if (store.isUnused || (!store.wasUsed && excess-- > 0)) stores.delete(old)
  const store = make()
  stores.set(key, { store, token })
  const used = new Set([...topicStores.values(), ...queryStores.values()].map(({ token }) => token))
  for (const [old, held] of credentials) if (!used.has(held)) credentials.delete(old)
  return store
}
