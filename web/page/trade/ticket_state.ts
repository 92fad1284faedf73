import { useEffect, useRef, useState } from 'react'
import type { Variant } from '../../src/pricewire.js'
import { endSession, type Session } from '../account/session.js'
import { explain } from '../error_text.js'
import { RequestError } from '../requests.js'
import { isUndecided, newKey, place } from './purchase.js'
import { type Bought, buy, fetchConfig, type Order, type ProductConfig, type ProductId } from './trading.js'

/** How long to wait before the configuration is asked for again, in milliseconds. */
const RETRY_AFTER = 2000

/** Returns what may be asked for of a product on an instrument; undefined while it loads, with the reason where that has failed. */
export function useConfig(
  product: ProductId,
  instrument: string,
): { config: ProductConfig | undefined; failure: string | undefined } {
  const [loaded, setLoaded] = useState<{ of: string; config: ProductConfig }>()
  const [failure, setFailure] = useState<string>()
  const of = `${product} ${instrument}`
  useEffect(() => {
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      try {
        const config = await fetchConfig(product, instrument, leaving.signal)
        setLoaded({ of, config })
        setFailure(undefined)
      } catch (error) {
        if (leaving.signal.aborted) return
        setFailure(explain(error))
        timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    return () => {
      leaving.abort()
      clearTimeout(timer)
    }
  }, [of, product, instrument])
  return { config: loaded?.of === of ? loaded.config : undefined, failure }
}

/** Returns a value once it has not changed for so many milliseconds; the first one at once. */
export function useSettled<Value>(value: Value, milliseconds: number): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds)
    return () => clearTimeout(timer)
  }, [value, milliseconds])
  return settled
}

/** What a purchase is at. */
export type PurchaseState =
  | { readonly step: 'idle' }
  | { readonly step: 'sending' | 'retrying'; readonly order: Order }
  | { readonly step: 'bought'; readonly order: Order; readonly bought: Bought }
  /** `isOpen`: nobody knows whether it was bought, so that sending the same order again is the only way to find out. */
  | { readonly step: 'failed'; readonly order: Order; readonly message: string; readonly isOpen: boolean }

const IDLE: PurchaseState = { step: 'idle' }

/** Returns what the purchase is at, and the functions that place an order, send an undecided one again, and forget it. */
export function usePurchase(): {
  state: PurchaseState
  send: (session: Session, order: Omit<Order, 'idempotency_key'>) => void
  resend: (session: Session) => void
  forget: () => void
} {
  const [state, setState] = useState(IDLE)
  // The state of a rendering is too old for the second click of a double click.
  const isBusy = useRef(false)

  const run = async (session: Session, order: Order) => {
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
      if (error instanceof RequestError && error.status === 401)
        endSession('Your session has ended. Log in again to trade.')
      const isOpen = isUndecided(error)
      const message = isOpen
        ? 'It is not known whether this was bought: the server does not answer. Ask again; it cannot buy twice.'
        : explain(error)
      setState({ step: 'failed', order, message, isOpen })
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
    forget: () =>
      setState((state) => (state.step === 'bought' || (state.step === 'failed' && !state.isOpen) ? IDLE : state)),
  }
}

/** Returns which variant is being bought right now. */
export function buying(state: PurchaseState): Variant | undefined {
  return state.step === 'sending' || state.step === 'retrying' ? state.order.proposal_details.variant : undefined
}
