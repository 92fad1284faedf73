import type { Contract, Instrument } from '../../src/pricewire.js'
import type { ProductConfig, Purchased } from '../../src/schema.js'

export const CONFIG: ProductConfig = {
  defaults: {
    product_id: 'rise_fall',
    duration: 5,
    duration_unit: 'ticks',
    allow_equals: false,
    stake: 10,
    variants: ['rise', 'fall'],
  },
  validations: {
    durations: {
      supported_units: ['ticks', 'seconds', 'minutes', 'hours', 'days'],
      ticks: { min: 1, max: 10 },
      seconds: { min: 15, max: 86_400 },
      minutes: { min: 1, max: 1440 },
      hours: { min: 1, max: 24 },
      days: { min: 1, max: 365 },
    },
    stake: { min: '0.50', max: '5000.00' },
    payout: { min: '1.00', max: '50000.00' },
  },
}

export const R_100: Instrument = {
  id: 'R_100',
  display_name: 'Volatility 100 Index',
  categories: ['Synthetic Index'],
  pip_size: 2,
  is_market_open: true,
  opens_at: null,
  closes_at: null,
  is_predictable: false,
}

/** Returns an open contract that was entered at 1000.00 and lasts a minute. */
export function contract(id: string, details: Partial<Contract['contract_details']> = {}): Contract {
  return {
    contract_id: id,
    product_id: 'rise_fall',
    contract_details: {
      allow_equals: false,
      barrier: '1000.00',
      bid_price: '9.70',
      bid_price_currency: 'USD',
      contract_expiry_time: 60_000,
      contract_start_time: 0,
      duration: 1,
      duration_unit: 'minutes',
      entry_spot: '1000.00',
      entry_tick_time: 1000,
      exit_spot: null,
      exit_tick_time: null,
      exit_time: null,
      instrument_id: 'R_100',
      instrument_name: 'Volatility 100 Index',
      is_expired: false,
      is_refunded: false,
      is_sold: false,
      is_valid_to_sell: true,
      potential_payout: '19.53',
      profit_loss: '-0.30',
      reference_id: id,
      stake: '10.00',
      variant: 'rise',
      tick_stream: [],
      ...details,
    },
  }
}

/** The answer to a purchase. */
export const PURCHASED: Purchased = {
  idempotency_key: 'k',
  contract_id: 'c',
  product_id: 'rise_fall',
  buy_price: '10.00',
  buy_time: 0,
  contract_details: contract('c').contract_details,
}
