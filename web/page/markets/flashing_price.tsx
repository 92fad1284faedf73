import { useEffect, useRef, useState } from 'react'
import { formatPrice } from '../format.js'

interface FlashingPriceProps {
  readonly value: number | undefined
  readonly decimals: number
  /** What it is the price of, for screen readers. */
  readonly label: string
  /** The same in every language, for tests and style sheets: `data-price`. */
  readonly name: string
  /** Whether it does not flash after all: it is out of view, or stands beside one that does. */
  readonly isQuiet?: boolean
}

interface FlashingProps {
  readonly value: number | undefined
  readonly text: string
  readonly label: string
  readonly name: string
  readonly isQuiet?: boolean | undefined
}

/** A price that flashes when it changes. */
export function FlashingPrice({ value, decimals, label, name, isQuiet }: FlashingPriceProps) {
  return <Flashing value={value} text={formatPrice(value, decimals)} label={label} name={name} isQuiet={isQuiet} />
}

/** How long a flash stands before it fades, in milliseconds: a price that moves faster stays coloured, which costs the browser nothing. */
const STANDS = 500

/** A text that flashes when its value changes. */
export function Flashing({ value, text, label, name, isQuiet = false }: FlashingProps) {
  const element = useRef<HTMLSpanElement>(null)
  const [shown, setShown] = useState({ value, direction: '' })
  if (value !== shown.value) {
    const { value: before } = shown
    const isNews = !isQuiet && before !== undefined && value !== undefined
    setShown({ value, direction: isNews ? (value > before ? 'up' : 'down') : '' })
  }
  useEffect(() => {
    const flash = element.current?.dataset
    if (flash === undefined || shown.direction === '') return
    flash['flash'] = 'standing'
    const timer = setTimeout(() => {
      flash['flash'] = 'fading'
    }, STANDS)
    return () => clearTimeout(timer)
  }, [shown])
  return (
    <span ref={element} className={`price ${shown.direction && `flash-${shown.direction}`}`} data-price={name}>
      <span className="visually-hidden">{label} </span>
      {text}
    </span>
  )
}
