import type { BaseStore } from './base_store.js'
import type { ServerOptions, SSEParams } from './connection.js'
import { QueryStore } from './query_store.js'
import { LazyTabs } from './tabs_loader.js'
import { Credentials } from './tokens.js'
import { TopicStore } from './topic_store.js'

/** Which store is meant, and how it is connected. */
export interface StoreOptions extends ServerOptions {
  /**
   * Whose the connection is, where `token` is a function: one that returns another account's token from now on wants another identity.
   * A new function with every rendering is the same identity.
   */
  readonly identity?: string | undefined
  /**
   * Whether all tabs of the same server and identity share one connection, where the browser can. Default true, unless there is a `fetch` of one's
   * own, which would see nothing while another tab leads.
   */
  readonly shareTabs?: boolean | undefined
}

const credentials = new Map<string, Credentials>()
const topicStores = new Map<string, TopicStore>()
const queryStores = new Map<string, QueryStore>()

/** Returns the store of these options: the same one for the same server and identity, so that everything on a page shares one connection. */
export function sharedStore(options: StoreOptions = {}): TopicStore {
  const own = withCredentials(options)
  return take(topicStores, keyOf(options), () => {
    const { shareTabs = options.fetch === undefined } = options
    return shareTabs ? new TopicStore(own, (listener) => new LazyTabs(own, listener)) : new TopicStore(own)
  })
}

/** Returns the store of a stream that is no stream of topics: the same one for the same parameters, server and identity. */
export function sharedQuery<Message>(params: SSEParams, options: StoreOptions = {}): QueryStore<Message> {
  const own = withCredentials(options)
  const key = JSON.stringify([params, keyOf(options)])
  return take(queryStores, key, () => new QueryStore(params, own)) as QueryStore<Message>
}

function keyOf(options: StoreOptions): string {
  const { baseUrl, token, identity, shareTabs, reconnectAttempts, reconnectInterval, reconnectCeiling } = options
  const who = typeof token === 'string' ? token : token && ['provider', identity]
  // JSON has no Infinity; as text it does not count as absent.
  return JSON.stringify([baseUrl, who, shareTabs, `${reconnectAttempts} ${reconnectInterval} ${reconnectCeiling}`])
}

/** Has all stores of an identity share its credentials; of its providers the newest is asked. */
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
    // Those that were left for good: of other tokens, or of a stake that was typed on the way to another.
    for (const [old, { isSpent }] of stores) if (isSpent) stores.delete(old)
    store = make()
    stores.set(key, store)
  }
  return store
}
