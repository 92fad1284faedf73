import { useEffect, useState } from 'react'
import type { MarketPrice } from '../../src/react.js'
import { formatPrice } from '../format.js'
import { Delays } from '../inspector/delays.js'
import { useStore } from '../server.js'

/** The first price of each instrument since the page was opened. */
const firstPrices = new Map<string, number>()

/** Returns what an instrument's first price was; this one, if it is the first. */
export function firstPrice(price: MarketPrice | null): number | undefined {
  if (price === null) return undefined
  if (!firstPrices.has(price.instrument_id)) firstPrices.set(price.instrument_id, price.price)
  return firstPrices.get(price.instrument_id)
}

/** How late prices have come since the page was opened. */
export const delays = new Delays()

/** Returns what the server's clock says, as far as the page knows it. */
export function serverTime(now: number): number {
  return now - delays.offset
}

/** Counts how late an instrument's prices come, whether or not a component is rendered with each. */
export function useDelays(id: string): void {
  const store = useStore()
  useEffect(() => {
    // The first price after the connection opens is the current one, which may be seconds old: only what follows it comes when it is made.
    let counted = Number.NaN
    const ends = [
      store.subscribe(`ticks:${id}`, ({ envelope, isStale, error }) => {
        if (envelope?.event !== 'tick' || isStale || error !== undefined) return
        const sent = Number(envelope.data.epoch_ms)
        if (sent > counted) delays.add(sent, Date.now())
        counted = sent
      }),
      store.onState(({ status }) => {
        if (status !== 'open') counted = Number.NaN
      }),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [store, id])
}

/** A number that flashes when it moves. */
export function FlashingPrice({
  value,
  decimals,
  label,
}: {
  value: number | undefined
  decimals: number
  label: string
}) {
  return <Flashing value={value} text={formatPrice(value, decimals)} label={label} />
}

/** A text that flashes when its value moves. */
export function Flashing({ value, text, label }: { value: number | undefined; text: string; label: string }) {
  const [shown, setShown] = useState({ value, direction: '', turn: 0 })
  if (value !== shown.value) {
    const direction = shown.value === undefined || value === undefined ? '' : value > shown.value ? 'up' : 'down'
    setShown({ value, direction, turn: 1 - shown.turn })
  }
  // Two animations that look the same: only by a change of its name does one begin again while it runs.
  const flash = shown.direction && `flash-${shown.direction}-${shown.turn}`
  return (
    <span className={`price ${flash}`} data-price={label}>
      <span className="visually-hidden">{label} </span>
      {text}
    </span>
  )
}
