import type * as schema from './schema.js'

/** The balance of an account, and what has changed it. */
export type Balance = schema.BalanceBody

/** A candle of an instrument: the prices of a span of time. */
export type Candle = schema.CandleBody

/** A bought contract. */
export type Contract = schema.ContractBody

/** A bought contract as it is now. Times are in milliseconds since 1970; what is not known yet is null. */
export type ContractDetails = schema.ContractDetails

/** The price of a contract that pays a given payout. */
export type ContractPriceResponse = schema.ContractPrice

/** Why the server does not do what it is asked. */
export type ErrorBody = schema.ErrorBody

/** An instrument as the server lists it. */
export type Instrument = schema.Instrument

/** An instrument's price, in numbers. */
export type InstrumentPrice = schema.InstrumentPrice

/** What a contract costs and would pay, in each variant of its product. */
export type Proposal = schema.ProposalBody

/** What a contract costs and would pay, in one variant. */
export type ProposalVariant = schema.ProposalVariant

/** What an open stream carries, how often, and until when. */
export type StreamState = schema.StreamState

/** A price update of an instrument. */
export type Tick = schema.TickBody

/** Time in milliseconds since 1970 in UTC, as digits. */
export type EpochMs = string

/** A price or an amount of money in decimal notation: a string, because a number would round it. */
export type Price = string

/** The side of a product that is bought. */
export type Variant = ContractDetails['variant']

/** What a contract's duration is counted in. */
export type DurationUnit = ContractDetails['duration_unit']

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
export type Envelope =
  | EnvelopeOf<'tick', Tick>
  | EnvelopeOf<'candle', Candle>
  | EnvelopeOf<'proposal', Proposal>
  | EnvelopeOf<'balance', Balance>
  | EnvelopeOf<'contracts', schema.ContractsBody | schema.ClosedContractsBody>
  | EnvelopeOf<'contract_opened' | 'contract_updated' | 'contract_sold' | 'contract_settled', Contract>
