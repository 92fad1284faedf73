import { useEffect, useState } from 'react'
import type { ProposalVariant } from '../../src/pricewire.js'
import { useProposalSSE } from '../../src/react.js'
import { useServer } from '../connection.js'
import { refusalOf } from '../error_text.js'
import type { Terms } from './ticket_rules.js'

/** The live price of the contract that the ticket describes. */
export interface Proposal {
  /** Undefined while the price is not known. */
  readonly variants: readonly ProposalVariant[] | undefined
  /** Whether the price may be out of date. */
  readonly isStale: boolean
  /** Why there is no price. */
  readonly problem: string | undefined
}

/** The wait before a refused price is requested again, in milliseconds: the market may open, or its feed may start. */
const RETRY_AFTER = 3000

/** Returns the live price of a contract that could be bought, for a stake in a currency. */
export function useProposal(terms: Terms | undefined, currency: string): Proposal {
  const [isResting, setResting] = useState(false)
  const asked = isResting || terms === undefined ? undefined : { ...terms, currency }
  const { proposal, error, isConnected, isStale } = useProposalSSE(asked, useServer())
  // While there is no connection, the page says so in one place.
  const refusal = isConnected && terms !== undefined && !isResting ? error : null
  useEffect(() => {
    if (refusal === null && !isResting) return
    // Unsubscribing for a moment requests the price again.
    const timer = setTimeout(() => setResting(!isResting), isResting ? 0 : RETRY_AFTER)
    return () => clearTimeout(timer)
  }, [refusal, isResting])
  return {
    variants: refusal === null ? proposal?.variants : undefined,
    isStale: isStale && proposal !== null,
    problem: refusal ? refusalOf(refusal) : undefined,
  }
}
