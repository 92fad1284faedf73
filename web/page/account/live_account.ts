import { useCallback, useSyncExternalStore } from 'react'
import type { Balance, Contract } from '../../src/pricewire.js'
import { useBalanceSSE, usePositionsSSE } from '../../src/react.js'
import type { ClosedContractsBody } from '../../src/schema.js'
import { useServer, useStore } from '../connection.js'
import type { Session } from './session.js'

/** Returns the live balance of the session's account. */
export function useBalance({ token, account }: Session): Balance | undefined {
  return useBalanceSSE(account.uuid, token, useServer()).balance ?? undefined
}

/** Returns the open contracts of the session's account, live; undefined while they load. */
export function usePositions(session: Session | undefined): readonly Contract[] | undefined {
  return usePositionsSSE(session?.account.uuid, session?.token, useServer()).positions ?? undefined
}

/** Returns the newest closed contracts of the session's account, live; undefined while they load. */
export function useClosedContracts({ account }: Session): ClosedContractsBody | undefined {
  const store = useStore()
  const topic = `closed_contracts:${account.uuid}`
  const subscribe = useCallback((render: () => void) => store.subscribe(topic, render), [store, topic])
  const { envelope } = useSyncExternalStore(subscribe, () => store.topic(topic))
  return envelope?.data as ClosedContractsBody | undefined
}
