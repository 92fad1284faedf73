import { useRef, useState } from 'react'
import type { Variant } from '../../src/pricewire.js'
import type { Purchased, PurchaseRequest } from '../../src/schema.js'
import { endSession, type Session } from '../account/session.js'
import { explain } from '../error_text.js'
import { RequestError, requestData } from '../requests.js'
import { isUndecided, newKey, place } from './purchase.js'

/** The step that a purchase has reached. */
export type PurchaseState =
  | { readonly step: 'idle' }
  | { readonly step: 'sending' | 'retrying'; readonly order: PurchaseRequest }
  | { readonly step: 'bought'; readonly order: PurchaseRequest; readonly bought: Purchased }
  /** `isUnknown`: the contract may have been bought. Only sending the same order again can tell. */
  | {
      readonly step: 'failed'
      readonly order: PurchaseRequest
      readonly message: string
      readonly isUnknown: boolean
    }

const IDLE: PurchaseState = { step: 'idle' }

/** Returns the state of the ticket's purchase, and the functions that place an order, send an order of unknown result again, and clear the result. */
export function usePurchase(): {
  state: PurchaseState
  send: (session: Session, order: Omit<PurchaseRequest, 'idempotency_key'>) => void
  resend: (session: Session) => void
  clear: () => void
} {
  const [state, setState] = useState(IDLE)
  // A ref: React's state is not updated yet at the second click of a double click.
  const isBusy = useRef(false)

  const run = async (session: Session, order: PurchaseRequest) => {
    if (isBusy.current) return
    isBusy.current = true
    setState({ step: 'sending', order })
    try {
      const bought = await place(order, {
        send: (order) => buy(session, order),
        wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
        onRetry: () => setState({ step: 'retrying', order }),
      })
      setState({ step: 'bought', order, bought })
    } catch (error) {
      if (error instanceof RequestError && error.status === 401) endSession('refused')
      setState({ step: 'failed', order, message: explain(error), isUnknown: isUndecided(error) })
    } finally {
      isBusy.current = false
    }
  }

  return {
    state,
    send: (session, order) => void run(session, { idempotency_key: newKey(), ...order }),
    resend: (session) => {
      if (state.step === 'failed') void run(session, state.order)
    },
    clear: () =>
      setState((state) => (state.step === 'bought' || (state.step === 'failed' && !state.isUnknown) ? IDLE : state)),
  }
}

/** Returns the variant that is being bought now. */
export function buying(state: PurchaseState): Variant | undefined {
  return state.step === 'sending' || state.step === 'retrying' ? state.order.proposal_details.variant : undefined
}

function buy({ token, account }: Session, order: PurchaseRequest): Promise<Purchased> {
  const query = new URLSearchParams({ account_uuid: account.uuid })
  return requestData<Purchased>(`/v1/trading/contracts/buy?${query}`, { body: order, token })
}
