import type { Contract } from '../../src/pricewire.js'
import { formatPercent } from '../format.js'
import { texts } from '../texts/language.js'
import { outcomeOf } from './outcome.js'

/** How much of an open contract's duration has passed. */
export interface Progress {
  /** The time or the ticks that are left, as text: `0:42`, `2 of 5 ticks`. */
  readonly text: string
  /** The share that has passed, from 0 to 1. */
  readonly share: number
}

/**
 * Returns how much of an open contract's duration has passed.
 *
 * @param now - in milliseconds since 1970, by the server's clock.
 */
export function progressOf({ contract_details }: Contract, now: number): Progress {
  const { duration, duration_unit, contract_expiry_time, contract_start_time, entry_tick_time } = contract_details
  if (duration_unit === 'ticks') {
    const newest = contract_details.tick_stream?.at(-1)?.epoch_ms
    if (entry_tick_time === null || newest === undefined)
      return { text: texts.contract.ticksLeft(duration, duration), share: 0 }
    // An update holds only the newest ticks, so ticks are not counted: the estimated expiry gives the time between two.
    const interval = (contract_expiry_time - entry_tick_time) / duration
    const passed = Math.min(duration, Math.max(0, Math.round((newest - entry_tick_time) / interval)))
    return { text: texts.contract.ticksLeft(duration - passed, duration), share: passed / duration }
  }
  const left = Math.max(0, contract_expiry_time - now)
  const total = Math.max(1, contract_expiry_time - contract_start_time)
  return { text: formatLeft(left), share: Math.min(1, 1 - left / total) }
}

/** Returns the time left as a countdown: `0:42`, `1:02:03`, `3 d 4 h`. */
export function formatLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000)
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (hours >= 24) return texts.contract.daysLeft(Math.floor(hours / 24), hours % 24)
  const two = (value: number) => String(value).padStart(2, '0')
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`
  return `${minutes}:${two(seconds % 60)}`
}

/** Returns the total profit or loss of open contracts. */
export function totalProfit(contracts: readonly Contract[]): number {
  return contracts.reduce((sum, { contract_details }) => sum + Number(contract_details.profit_loss), 0)
}

/** Returns how many of the contracts that were not sold or refunded have won: `6 of 10, 60 %`. */
export function formatWinRate(contracts: readonly Contract[]): string {
  const outcomes = contracts.map(outcomeOf).filter((outcome) => outcome === 'won' || outcome === 'lost')
  const won = outcomes.filter((outcome) => outcome === 'won').length
  if (outcomes.length === 0) return '–'
  return texts.positions.winRate(won, outcomes.length, formatPercent((100 * won) / outcomes.length, 0))
}
