/** How often a subscriber is called. */
export interface Pace {
  /** At most one call in this many milliseconds: the first value at once, then the newest value of each span. */
  readonly throttle?: number | undefined
  /** A call only after no value has arrived for this many milliseconds; with `throttle` too, no value waits longer than that. */
  readonly debounce?: number | undefined
}

/** Passes values on at a pace. */
export interface Paced<Value> {
  /** Adds the next value. It replaces a value that still waits. */
  push(value: Value): void
  /** Stops: a value that waits is dropped. */
  cancel(): void
}

/** Returns an object that passes values to a function at a pace; without a pace it passes every value at once. */
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

/** What Chromium knows about the network. Source: WICG Network Information API. */
export interface NetworkInformation {
  readonly saveData?: boolean
  readonly effectiveType?: string
}

/**
 * Returns the time between two updates of a topic to request from a server, in milliseconds: 0 on a good network, a second if the user saves data
 * or the network is very slow.
 */
export function networkInterval(network: NetworkInformation | undefined): number {
  const { saveData = false, effectiveType = '' } = network ?? {}
  if (saveData || effectiveType.endsWith('2g')) return 1000
  return effectiveType === '3g' ? 250 : 0
}
