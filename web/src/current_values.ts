import type { Contract, Envelope } from './messages.js'

/**
 * The current values of a topic, oldest first: what a new stream of it would begin with. For the changes of contracts these are the newest of
 * each open contract, by its id; for all other topics it is the newest event.
 */
export type CurrentValues = Map<string, Envelope>

const ENDINGS: ReadonlySet<string> = new Set(['contract_sold', 'contract_settled'])

const CHANGES: ReadonlySet<string> = new Set([...ENDINGS, 'contract_opened', 'contract_updated'])

/** Adds an event to the current values of its topic, and returns them. A contract that has ended has none. */
export function note(values: CurrentValues, envelope: Envelope): CurrentValues {
  const { event, data } = envelope
  const contract = CHANGES.has(event) ? ((data as Contract | undefined)?.contract_id ?? '') : ''
  values.delete(contract)
  if (!ENDINGS.has(event)) values.set(contract, envelope)
  return values
}
