import type { Contract, DurationUnit, Variant } from '../../src/pricewire.js'
import type { Session } from '../account/session.js'
import { request, requestData } from '../requests.js'

/** An amount of money in decimal notation: a string, because a number would round it. */
export type Money = string

export type ProductId = 'rise_fall' | 'high_low' | 'touch'

/** What an account is. */
export interface Account {
  readonly id: string
  readonly uuid: string
  readonly type: string
  readonly status: string
  readonly currency: string
  readonly balance: number
}

export interface Product {
  readonly id: ProductId
  readonly display_name: string
}

export interface Bounds<Value> {
  readonly min: Value
  readonly max: Value
}

/** What may be asked for of a product on an instrument, and what a form begins with. */
export interface ProductConfig {
  readonly defaults: {
    readonly product_id: ProductId
    readonly duration: number
    readonly duration_unit: DurationUnit
    readonly allow_equals: boolean
    readonly stake: number
    readonly variants: readonly Variant[]
  }
  readonly validations: {
    readonly durations: { readonly supported_units: readonly DurationUnit[] } & Partial<
      Readonly<Record<DurationUnit, Bounds<number>>>
    >
    readonly stake: Bounds<Money>
    readonly payout: Bounds<Money>
  }
}

/** What a purchase asks for. */
export interface ProposalDetails {
  readonly instrument_id: string
  readonly duration: number
  readonly duration_unit: DurationUnit
  readonly allow_equals: boolean
  readonly stake: Money
  readonly variant: Variant
  readonly payout: Money
  readonly barrier?: string | undefined
}

/** A purchase, with the key by which the server knows it again. */
export interface Order {
  readonly idempotency_key: string
  readonly product_id: ProductId
  readonly proposal_details: ProposalDetails
}

/** What came of a purchase. */
export interface Bought {
  readonly contract_id: string
  readonly buy_price: Money
}

/** What came of a sale. */
export interface Sold {
  readonly contract_id: string
  readonly sell_price: Money
  readonly profit: Money
}

/** The newest closed contracts of an account, newest first, and how many there are in all. */
export interface ClosedContracts {
  readonly contracts: readonly Contract[]
  readonly pagination: { readonly total_items: number }
}

/** Returns the products that are traded on an instrument; none where the server has no trading. */
export async function fetchProducts(signal: AbortSignal): Promise<Product[]> {
  const { products } = await requestData<{ products: Product[] }>('/v1/market/products', { signal })
  return products
}

export function fetchConfig(product: ProductId, instrument: string, signal: AbortSignal): Promise<ProductConfig> {
  const query = new URLSearchParams({ product_id: product, instrument_id: instrument })
  return requestData<ProductConfig>(`/v1/market/products/config?${query}`, { signal })
}

/** Returns a token for an account. */
export async function logIn(accountId: string, password: string): Promise<string> {
  const body = { account_id: accountId, password }
  const { token } = await request<{ token: string }>('/login', { body })
  return token
}

/** Tells the server that a token is not used any more. */
export async function logOut(token: string): Promise<void> {
  await request('/v1/logout', { method: 'POST', token })
}

export async function fetchAccounts(token: string, signal: AbortSignal): Promise<Account[]> {
  const { accounts } = await requestData<{ accounts: Account[] }>('/v1/accounts', { signal, token })
  return accounts
}

export function buy({ token, account }: Session, order: Order): Promise<Bought> {
  const query = new URLSearchParams({ account_uuid: account.uuid })
  return requestData<Bought>(`/v1/trading/contracts/buy?${query}`, { body: order, token })
}

export function sell({ token, account }: Session, contractId: string): Promise<Sold> {
  const query = new URLSearchParams({ contract_id: contractId, account_uuid: account.uuid })
  return requestData<Sold>(`/v1/trading/contracts/sell?${query}`, { method: 'POST', token })
}
