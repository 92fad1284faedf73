import { useCallback, useSyncExternalStore } from 'react'
import type { Balance, Contract } from '../../src/pricewire.js'
import { useBalanceSSE, usePositionsSSE } from '../../src/react.js'
import type { ClosedContractsBody } from '../../src/schema.js'
import { useServer, useStore } from '../connection.js'
import type { Session } from './session.js'

/** Returns the live balance of the session's account; undefined while it loads. */
export function useBalance(session: Session | undefined): Balance | undefined {
  return useBalanceSSE(session?.account.uuid, session?.token, useServer()).balance ?? undefined
}

/** The open contracts of an account. */
export interface OpenPositions {
  /** Undefined while they load. */
  readonly contracts: readonly Contract[] | undefined
  /** Whether their prices may be out of date. */
  readonly isStale: boolean
}

/** Returns the open contracts of the session's account, live. */
export function usePositions(session: Session | undefined): OpenPositions {
  const { positions, isStale } = usePositionsSSE(session?.account.uuid, session?.token, useServer())
  return { contracts: positions ?? undefined, isStale }
}

/** Returns the newest closed contracts of the session's account, live; undefined while they load. */
export function useClosedContracts(session: Session | undefined): ClosedContractsBody | undefined {
  const store = useStore()
  const topic = session && `closed_contracts:${session.account.uuid}`
  const subscribe = useCallback(
    (render: () => void) => (topic === undefined ? () => {} : store.subscribe(topic, render)),
    [store, topic],
  )
  const { envelope } = useSyncExternalStore(subscribe, () => store.topic(topic ?? ''))
  return envelope?.data as ClosedContractsBody | undefined
}
