import type * as schema from './schema.js'

/** The balance of an account, and what has changed it. */
export type Balance = schema.BalanceBody

/** A candle of an instrument: its open, high, low and close over a span of time. */
export type Candle = schema.CandleBody

/** A bought contract. */
export type Contract = schema.ContractBody

/** The current state of a bought contract. Times are in milliseconds since 1970; values that are not known yet are null. */
export type ContractDetails = schema.ContractDetails

/** The price of a contract with a given payout. */
export type ContractPriceResponse = schema.ContractPrice

/** The body of an error response. */
export type ErrorBody = schema.ErrorBody

/** An instrument as the server lists it. */
export type Instrument = schema.Instrument

/** The price of an instrument, as the server's numbers: rounded to about 16 digits. The other messages have prices as text, a {@link Price}. */
export type InstrumentPrice = schema.InstrumentPrice

/** The stake and payout of a contract that could be bought, for each variant of its product. */
export type Proposal = schema.ProposalBody

/** The stake and payout of a contract that could be bought, for one variant. */
export type ProposalVariant = schema.ProposalVariant

/** The topics of an open stream, the time between updates, and when the stream expires. */
export type StreamState = schema.StreamState

/** A price update of an instrument. */
export type Tick = schema.TickBody

/** Time in milliseconds since 1970 in UTC, as digits. */
export type EpochMs = string

/**
 * A price or an amount of money in plain decimal notation, never with an exponent: text, because a number would round it. For `Number` of it the
 * same holds as for all numbers: about 16 digits.
 */
export type Price = string

/** The side of a product: rise or fall, for instance. */
export type Variant = ContractDetails['variant']

/** The unit of a contract's duration. */
export type DurationUnit = ContractDetails['duration_unit']

interface EnvelopeOf<Event extends string, Data> {
  /** The kind of event; `data` has the matching type. */
  readonly event: Event
  /** The topic, such as `ticks:R_100`. */
  readonly subscription_id: string
  /** The sequence number of this event within its topic. */
  readonly seq: number
  /** How many older events of the topic this one replaces; absent if none. */
  readonly merged?: number
  readonly data: Data
}

/** An event of a stream of topics. */
export type Envelope =
  | EnvelopeOf<'tick', Tick>
  | EnvelopeOf<'candle', Candle>
  | EnvelopeOf<'proposal', Proposal>
  | EnvelopeOf<'balance', Balance>
  | EnvelopeOf<'contracts', schema.ContractsBody | schema.ClosedContractsBody>
  | EnvelopeOf<'contract_opened' | 'contract_updated' | 'contract_sold' | 'contract_settled', Contract>
