import { useState } from 'react'
import { formatPrice } from './format.js'

/** A price that flashes when it moves. */
export function FlashingPrice({
  value,
  decimals,
  label,
}: {
  value: number | undefined
  decimals: number
  label: string
}) {
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
      {formatPrice(value, decimals)}
    </span>
  )
}
