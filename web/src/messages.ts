/** Time in milliseconds since 1970 in UTC, as digits. */
export type EpochMs = string

/** A price in decimal notation: a string, because a number would round it. */
export type Price = string

/** One price update of an instrument. */
export interface Tick {
  readonly instrument_id: string
  /** The price's time at its source. */
  readonly epoch_ms: EpochMs
  /** The middle of bid and ask. */
  readonly price: Price
  /** What one pays to buy. */
  readonly ask: Price
  /** What one gets for selling. */
  readonly bid: Price
}

/** Open, high, low and close of an instrument over a span of time; the newest one is still being built. */
export interface Candle {
  readonly instrument_id: string
  /** The span, in seconds. */
  readonly granularity: number
  /** The first millisecond of the span. */
  readonly open_epoch_ms: EpochMs
  readonly open: Price
  readonly high: Price
  readonly low: Price
  readonly close: Price
  /** The first millisecond after the span. */
  readonly close_epoch_ms: EpochMs
}

/** What `action=instrument_price` sends. */
export interface InstrumentPrice {
  readonly instrument_id: string
  readonly bid: number
  readonly ask: number
  /** The price's time at its source, in the form of ISO 8601. */
  readonly timestamp: string
}

/** What can be traded, and whether it can be now. */
export interface Instrument {
  readonly id: string
  readonly display_name: string
  /** Where a list of markets shows it, from the general to the special. */
  readonly categories: readonly string[]
  /** How many decimals its prices have. */
  readonly pip_size: number
  readonly is_market_open: boolean
  readonly opens_at?: string | null
  readonly closes_at?: string | null
}

interface EnvelopeOf<Event extends string, Data> {
  /** What the data is. */
  readonly event: Event
  /** The topic. */
  readonly subscription_id: string
  /** The number of this event among the topic's events. */
  readonly seq: number
  /** How many older events of the topic this one stands for; absent where none was left out. */
  readonly merged?: number
  readonly data: Data
}

/** An event of a stream of topics. */
export type Envelope = EnvelopeOf<'tick', Tick> | EnvelopeOf<'candle', Candle>

/** The body of every error, in a response and in a stream's `error` event. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string }
}
