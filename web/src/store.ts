import type { BaseStore } from './base_store.js'
import type { ServerOptions, SSEParams } from './connection.js'
import { QueryStore } from './query_store.js'
import { LazyTabs } from './tabs_loader.js'
import { Credentials } from './tokens.js'
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

const credentials = new Map<string, Credentials>()
const topicStores = new Map<string, TopicStore>()
const queryStores = new Map<string, QueryStore>()

/** Returns the store for these options: the same one for the same server and identity, so that the whole page shares one connection. */
export function sharedStore(options: StoreOptions = {}): TopicStore {
  const own = withCredentials(options)
  return take(topicStores, keyOf(options), () => {
    const { shareTabs = options.fetch === undefined } = options
    return shareTabs ? new TopicStore(own, (listener) => new LazyTabs(own, listener)) : new TopicStore(own)
  })
}

/** Returns the store of a stream without topics: the same one for the same parameters, server and identity. */
export function sharedQuery<Message>(params: SSEParams, options: StoreOptions = {}): QueryStore<Message> {
  const own = withCredentials(options)
  const key = JSON.stringify([params, keyOf(options)])
  return take(queryStores, key, () => new QueryStore(params, own)) as QueryStore<Message>
}

function keyOf(options: StoreOptions): string {
  const { baseUrl, token, identity, shareTabs, reconnectAttempts, reconnectInterval, reconnectCeiling } = options
  const who = typeof token === 'string' ? token : token && ['provider', identity]
  // As text, because JSON writes Infinity as null.
  return JSON.stringify([baseUrl, who, shareTabs, `${reconnectAttempts} ${reconnectInterval} ${reconnectCeiling}`])
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

function take<Store extends BaseStore>(stores: Map<string, Store>, key: string, make: () => Store): Store {
  let store = stores.get(key)
  if (store === undefined) {
    // Remove unused stores: of older tokens, or of a stake that was only typed on the way to another.
    for (const [old, { isUnused }] of stores) if (isUnused) stores.delete(old)
    store = make()
    stores.set(key, store)
  }
  return store
}
