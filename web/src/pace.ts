/** How often a subscriber wants to be called. */
export interface Pace {
  /** At most one call in so many milliseconds: the first value at once, then the newest of each span. */
  readonly throttle?: number | undefined
  /** A call when no value has come for so many milliseconds; with `throttle` too, none is held back longer than that. */
  readonly debounce?: number | undefined
}

/** Hands values on at a pace. */
export interface Paced<Value> {
  /** Takes the next value; those that it overtakes are left out. */
  push(value: Value): void
  /** Ends it: what is held back is dropped. */
  cancel(): void
}

/** Returns what hands values to a function at a pace; without one every value, at once. */
export function paced<Value>(deliver: (value: Value) => void, { throttle = 0, debounce = 0 }: Pace): Paced<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let held: { value: Value } | undefined
  let heldSince = 0
  let deliveredAt = Number.NEGATIVE_INFINITY
  const flush = () => {
    timer = undefined
    if (held === undefined) return
    const { value } = held
    held = undefined
    deliveredAt = performance.now()
    deliver(value)
  }
  return {
    push(value) {
      const now = performance.now()
      if (held === undefined) heldSince = now
      held = { value }
      if (debounce > 0) {
        clearTimeout(timer)
        timer = setTimeout(flush, throttle > 0 ? Math.min(debounce, heldSince + throttle - now) : debounce)
      } else if (deliveredAt + throttle <= now) {
        clearTimeout(timer)
        flush()
      } else {
        timer ??= setTimeout(flush, deliveredAt + throttle - now)
      }
    },
    cancel() {
      clearTimeout(timer)
      held = undefined
    },
  }
}

/** What Chromium knows of the network. Source: WICG Network Information API. */
export interface NetworkInformation {
  readonly saveData?: boolean
  readonly effectiveType?: string
}

/**
 * Returns the pace to ask a server for, in milliseconds between two updates of a topic: none on a good network, a second where the user saves
 * data or the connection is very slow.
 */
export function networkInterval(network: NetworkInformation | undefined): number {
  const { saveData = false, effectiveType = '' } = network ?? {}
  if (saveData || effectiveType.endsWith('2g')) return 1000
  return effectiveType === '3g' ? 250 : 0
}
