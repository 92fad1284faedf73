interface StepperProps {
  /** What the two buttons do, for screen readers. */
  readonly less: string
  readonly more: string
  readonly onStep: (steps: 1 | -1) => void
}

/** The buttons beside an input that make its number larger or smaller. */
export function Stepper({ less, more, onStep }: StepperProps) {
  return (
    <span className="stepper">
      <button type="button" aria-label={less} onClick={() => onStep(-1)}>
        −
      </button>
      <button type="button" aria-label={more} onClick={() => onStep(1)}>
        +
      </button>
    </span>
  )
}
