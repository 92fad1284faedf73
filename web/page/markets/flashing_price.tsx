import { useState } from 'react'
import { formatPrice } from '../format.js'

interface FlashingPriceProps {
  readonly value: number | undefined
  readonly decimals: number
  /** What it is the price of, for screen readers. */
  readonly label: string
  /** The same in every language, for tests and style sheets: `data-price`. */
  readonly name: string
}

interface FlashingProps {
  readonly value: number | undefined
  readonly text: string
  readonly label: string
  readonly name: string
}

/** A price that flashes when it changes. */
export function FlashingPrice({ value, decimals, label, name }: FlashingPriceProps) {
  return <Flashing value={value} text={formatPrice(value, decimals)} label={label} name={name} />
}

/** A text that flashes when its value changes. */
export function Flashing({ value, text, label, name }: FlashingProps) {
  const [shown, setShown] = useState({ value, direction: '', turn: 0 })
  if (value !== shown.value) {
    const direction = shown.value === undefined || value === undefined ? '' : value > shown.value ? 'up' : 'down'
    setShown({ value, direction, turn: 1 - shown.turn })
  }
  // Two animations that look the same: a running animation starts again only when its name changes.
  const flash = shown.direction && `flash-${shown.direction}-${shown.turn}`
  return (
    <span className={`price ${flash}`} data-price={name}>
      <span className="visually-hidden">{label} </span>
      {text}
    </span>
  )
}
