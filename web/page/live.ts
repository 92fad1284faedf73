import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import type { Balance, Contract, ProposalVariant } from '../src/pricewire.js'
import { useBalanceSSE, usePositionsSSE, useProposalSSE } from '../src/react.js'
import type { Session } from './account/session.js'
import { sentence } from './error_text.js'
import { useServer, useStore } from './server.js'
import type { Terms } from './trade/ticket_rules.js'
import type { ClosedContracts } from './trade/trading.js'

/** The live price of what the ticket asks for. */
export interface Proposal {
  /** Undefined while it is not known. */
  readonly variants: readonly ProposalVariant[] | undefined
  /** Why there is none. */
  readonly problem: string | undefined
}

/** When a price that the server refuses is asked for again, in milliseconds: markets open, and feeds begin. */
const ASK_AGAIN = 3000

/** Keeps a component at the price of a contract that could be bought. */
export function useProposal(terms: Terms | undefined): Proposal {
  const [isResting, setResting] = useState(false)
  const { proposal, error, isConnected } = useProposalSSE(isResting ? undefined : terms, useServer())
  // Without a connection the page says so, in one place.
  const refusal = isConnected && terms !== undefined && !isResting ? error : null
  useEffect(() => {
    if (refusal === null && !isResting) return
    // To leave it for a moment is to ask anew.
    const timer = setTimeout(() => setResting(!isResting), isResting ? 0 : ASK_AGAIN)
    return () => clearTimeout(timer)
  }, [refusal, isResting])
  return {
    variants: refusal === null ? proposal?.variants : undefined,
    problem: refusal ? sentence(refusal.message) : undefined,
  }
}

/** Keeps a component at the balance of the session's account. */
export function useBalance({ token, account }: Session): Balance | undefined {
  return useBalanceSSE(account.uuid, token, useServer()).balance ?? undefined
}

/** Keeps a component at the open contracts of the session's account; undefined while they are not known. */
export function usePositions(session: Session | undefined): readonly Contract[] | undefined {
  return usePositionsSSE(session?.account.uuid, session?.token, useServer()).positions ?? undefined
}

/** Keeps a component at the newest closed contracts of the session's account; undefined while they are not known. */
export function useClosed({ account }: Session): ClosedContracts | undefined {
  const store = useStore()
  const topic = `closed_contracts:${account.uuid}`
  const subscribe = useCallback((render: () => void) => store.subscribe(topic, render), [store, topic])
  const { envelope } = useSyncExternalStore(subscribe, () => store.topic(topic))
  return envelope?.data as ClosedContracts | undefined
}
