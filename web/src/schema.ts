// Written by schema.mjs from the server’s schema: not to be edited.

export interface AccountBody {
  readonly id: string
  readonly uuid: string
  readonly type: string
  readonly group: string
  readonly status: string
  readonly currency: string
  readonly balance: number
}

export interface AccountsBody {
  readonly accounts: readonly AccountBody[]
}

export interface AccountsState {
  readonly currency: string
  readonly accounts: number
  readonly suspended: number
  readonly balance: string
}

export interface AdminBody {
  readonly version: string
  readonly epoch_ms: number
  readonly started_epoch_ms: number
  readonly is_draining: boolean
  readonly can_drain: boolean
  readonly problems: readonly string[]
  readonly streams: StreamFigures
  readonly traffic: Traffic
  readonly loop_delay: LoopDelays
  readonly refusals: Readonly<Record<string, number>>
  readonly topics: number
  readonly busiest_topics: readonly TopicReaders[]
  readonly feeds: readonly FeedState[]
  readonly trading: TradingFigures
}

export interface AmountBounds {
  /** an amount of money in decimal notation */
  readonly min: string
  /** an amount of money in decimal notation */
  readonly max: string
}

export interface BalanceBody {
  readonly balance: string
  readonly currency: string
  readonly timestamp: number
  readonly change: string
}

export interface CandleBody {
  /** milliseconds since 1970 in UTC, as digits */
  readonly open_epoch_ms: string
  /** a price in decimal notation, as a string */
  readonly open: string
  /** a price in decimal notation, as a string */
  readonly high: string
  /** a price in decimal notation, as a string */
  readonly low: string
  /** a price in decimal notation, as a string */
  readonly close: string
  /** milliseconds since 1970 in UTC, as digits */
  readonly close_epoch_ms: string
  readonly instrument_id: string
  readonly granularity: number
}

export interface CandlesBody {
  readonly candles: readonly CandleBody[]
}

export interface CandlesHistoryRequest {
  readonly instrument_id: string
  readonly granularity?: number
  /** milliseconds since 1970 in UTC */
  readonly from_epoch_ms?: number | null
  /** milliseconds since 1970 in UTC */
  readonly to_epoch_ms?: number | null
  readonly count?: number
}

export interface ClosedContractsBody {
  readonly contracts: readonly ContractBody[]
  readonly pagination: Pagination
}

export interface ClosedContractsPage {
  readonly contracts: readonly ContractBody[]
  /** asks for the next page, as `cursor`; to be taken as it is */
  readonly next_cursor: string | null
}

export interface ContractBody {
  readonly contract_id: string
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly contract_details: ContractDetails
}

export interface ContractDetails {
  readonly allow_equals: boolean
  readonly barrier: string | null
  readonly bid_price: string
  readonly bid_price_currency: string
  readonly contract_expiry_time: number
  readonly contract_start_time: number
  readonly duration: number
  readonly duration_unit: 'ticks' | 'seconds' | 'minutes' | 'hours' | 'days'
  /** a price in decimal notation, as a string */
  readonly entry_spot: string | null
  readonly entry_tick_time: number | null
  /** a price in decimal notation, as a string */
  readonly exit_spot: string | null
  readonly exit_tick_time: number | null
  readonly exit_time: number | null
  readonly instrument_id: string
  readonly instrument_name: string
  readonly is_expired: boolean
  readonly is_refunded: boolean
  readonly is_sold: boolean
  readonly is_valid_to_sell: boolean
  readonly potential_payout: string
  readonly profit_loss: string
  readonly reference_id: string
  readonly stake: string
  readonly variant: 'rise' | 'fall' | 'higher' | 'lower' | 'touch' | 'no_touch'
  readonly tick_stream: readonly TickPoint[]
}

export interface ContractPrice {
  readonly date_start: number
  readonly date_expiry: number
  /** a price in decimal notation, as a string */
  readonly spot: string
  /** a price in decimal notation, as a string */
  readonly strike: string
  readonly price: string
  readonly trade_type: 'CALL' | 'PUT' | 'TOUCH' | 'NOTOUCH'
  readonly instrument: string
  readonly currency: string
  readonly payout: string
  readonly pricing_parameters: PricingParameters
}

export interface ContractsBody {
  readonly contracts: readonly ContractBody[]
}

export interface DayResult {
  readonly day: string
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly contracts: number
  readonly stake: string
  readonly proceeds: string
  readonly profit_loss: string
}

export interface DurationBounds {
  readonly min: number
  readonly max: number
}

export interface DurationsAllowed {
  readonly supported_units: readonly ('ticks' | 'seconds' | 'minutes' | 'hours' | 'days')[]
  readonly ticks: DurationBounds
  readonly seconds: DurationBounds
  readonly minutes: DurationBounds
  readonly hours: DurationBounds
  readonly days: DurationBounds
}

export interface ErrorBody {
  readonly error: ErrorDetail
}

export interface ErrorDetail {
  readonly code: string
  readonly message: string
}

export interface FeedState {
  readonly name: string
  readonly instruments: number
  readonly open: number
  readonly silent: readonly string[]
  readonly ticks: number
  readonly newest_epoch_ms: number | null
}

export interface Instrument {
  readonly id: string
  readonly display_name: string
  readonly categories: readonly string[]
  readonly pip_size: number
  readonly is_market_open: boolean
  readonly opens_at: string | null
  readonly closes_at: string | null
  readonly is_predictable: boolean
}

export interface InstrumentExposure {
  readonly instrument_id: string
  readonly currency: string
  readonly may_win: string
  readonly limit: string | null
}

export interface InstrumentPrice {
  readonly instrument_id: string
  readonly bid: number
  readonly ask: number
  readonly timestamp: string
}

export interface InstrumentsBody {
  readonly instruments: readonly Instrument[]
}

export interface LoggedEvent {
  readonly id: string
  readonly event: string
  readonly seq: number
  readonly key: string | null
  readonly data: unknown
}

export type LoggedOut = Readonly<Record<string, never>>

export interface LoginBody {
  readonly token: string
}

export interface LoginRequest {
  /** the name to log in with */
  readonly account_id: string
  readonly password: string
  /** how long the token is to be good: a day at most */
  readonly lifetime_seconds?: number
}

export interface LoopDelays {
  readonly mean_ms: number
  readonly longest_ms: number
}

export interface NewestEvent {
  readonly id: string
  readonly event: string
  readonly epoch_ms: number
}

export interface Pagination {
  readonly current_page: number
  readonly limit: number
  readonly total_items: number
  readonly total_pages: number
}

export interface PricingParameters {
  readonly commission_percent: number
  readonly commission_amount: string
  readonly volatility: number
  /** a price in decimal notation, as a string */
  readonly spot_price: string
  readonly duration_in_years: number
}

export interface Product {
  readonly id: 'rise_fall' | 'high_low' | 'touch'
  readonly display_name: string
}

export interface ProductConfig {
  readonly defaults: ProductDefaults
  readonly validations: ProductValidations
}

export interface ProductDefaults {
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly duration: number
  readonly duration_unit: 'ticks' | 'seconds' | 'minutes' | 'hours' | 'days'
  readonly allow_equals: boolean
  readonly stake: number
  readonly variants: readonly ('rise' | 'fall' | 'higher' | 'lower' | 'touch' | 'no_touch')[]
}

export interface ProductValidations {
  readonly durations: DurationsAllowed
  readonly stake: AmountBounds
  readonly payout: AmountBounds
}

export interface ProductsBody {
  readonly products: readonly Product[]
}

export interface ProfitAndLossBody {
  readonly results: readonly DayResult[]
  readonly currency: string
}

export interface ProposalBody {
  readonly variants: readonly ProposalVariant[]
}

export interface ProposalDetails {
  readonly payout: string
  readonly stake: string
  readonly probability: number
  /** a price in decimal notation, as a string */
  readonly pricing_spot: string
  /** a price in decimal notation, as a string */
  readonly barrier: string
  readonly allow_equals: boolean
  readonly contract_expiry_time: number
}

export interface ProposalVariant {
  readonly variant: 'rise' | 'fall' | 'higher' | 'lower' | 'touch' | 'no_touch'
  readonly contract_details: ProposalDetails
}

export interface Published {
  readonly ids: readonly string[]
}

export interface PurchaseDetails {
  readonly instrument_id: string
  readonly duration: number
  readonly duration_unit: 'ticks' | 'seconds' | 'minutes' | 'hours' | 'days'
  readonly allow_equals?: boolean
  /** an amount of money in decimal notation, as a string or a number */
  readonly stake: string | number
  readonly variant: 'rise' | 'fall' | 'higher' | 'lower' | 'touch' | 'no_touch'
  /** an amount of money in decimal notation, as a string or a number */
  readonly payout?: string | number | null
  /** a part of an amount: 0.05 is 5 % */
  readonly tolerance?: number | null
  /** a price (`1250.00`), or an offset from the spot with its sign (`+0.57`) */
  readonly barrier?: string | null
}

export interface PurchaseRequest {
  readonly idempotency_key: string
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly proposal_details: PurchaseDetails
}

export interface Purchased {
  readonly idempotency_key: string
  readonly contract_id: string
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly buy_price: string
  readonly buy_time: number
  readonly contract_details: ContractDetails
}

export interface Sold {
  readonly contract_id: string
  readonly product_id: 'rise_fall' | 'high_low' | 'touch'
  readonly buy_price: string
  readonly buy_time: number
  readonly sell_price: string
  readonly sell_time: number
  readonly profit: string
  readonly contract_details: ContractDetails
}

export interface StatementBody {
  readonly entries: readonly StatementEntry[]
  readonly currency: string
  /** asks for the next page, as `cursor`; to be taken as it is */
  readonly next_cursor: string | null
}

export interface StatementEntry {
  readonly transaction_id: string
  readonly timestamp: number
  readonly kind: 'deposit' | 'withdrawal' | 'adjustment' | 'purchase' | 'sale' | 'payout' | 'refund'
  readonly amount: string
  readonly balance: string
  readonly contract_id: string | null
  readonly reference_id: string | null
  readonly product_id: 'rise_fall' | 'high_low' | 'touch' | null
  readonly instrument_id: string | null
  readonly reason: string | null
}

export interface StreamChange {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  readonly interval_ms?: number | null
}

export interface StreamFigures {
  readonly open: Readonly<Record<string, number>>
  readonly on_gateways: number
  readonly gateways: number
  readonly lagging: number
  readonly opened: number
  readonly resumed: number
  readonly reset: number
  readonly lagged: number
  readonly dropped: number
}

export interface StreamState {
  readonly topics: readonly string[]
  readonly interval_ms: number
  readonly expires_at: string | null
  readonly names: Readonly<Record<string, string>>
}

export interface TickBody {
  /** milliseconds since 1970 in UTC, as digits */
  readonly epoch_ms: string
  /** a price in decimal notation, as a string */
  readonly price: string
  /** a price in decimal notation, as a string */
  readonly ask: string
  /** a price in decimal notation, as a string */
  readonly bid: string
  readonly instrument_id: string
  readonly source?: string
}

export interface TickPoint {
  /** a price in decimal notation, as a string */
  readonly ask: string
  /** a price in decimal notation, as a string */
  readonly bid: string
  readonly epoch_ms: number
  /** a price in decimal notation, as a string */
  readonly price: string
}

export interface TicketBody {
  readonly ticket: string
  readonly expires_at: string
}

export interface TicksBody {
  readonly ticks: readonly TickBody[]
}

export interface TicksHistoryRequest {
  readonly instrument_id: string
  /** milliseconds since 1970 in UTC */
  readonly from_epoch_ms?: number | null
  /** milliseconds since 1970 in UTC */
  readonly to_epoch_ms?: number | null
  readonly granularity?: number | null
  readonly count?: number
}

export interface TopicInfo {
  readonly topic: string
  readonly readers: number
  readonly rate: number
  readonly seq: number
  readonly newest: NewestEvent | null
}

export interface TopicLogBody {
  readonly start: string
  readonly events: readonly LoggedEvent[]
}

export interface TopicReaders {
  readonly topic: string
  readonly streams: number
}

export interface TopicsBody {
  readonly topics: readonly TopicInfo[]
}

export interface TradingFigures {
  readonly open_contracts: number
  readonly unsettled_contracts: number
  readonly purchases: number
  readonly sales: number
  readonly accounts: readonly AccountsState[]
  readonly exposure: readonly InstrumentExposure[]
}

export interface Traffic {
  readonly published: number
  readonly delivered: number
  readonly merged: number
  readonly bytes: number
}
