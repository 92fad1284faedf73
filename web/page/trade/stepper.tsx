interface StepperProps {
  /** What is stepped, for screen readers. */
  readonly name: string
  readonly onStep: (steps: 1 | -1) => void
}

/** The buttons beside an input that make its number larger or smaller. */
export function Stepper({ name, onStep }: StepperProps) {
  return (
    <span className="stepper">
      <button type="button" aria-label={`Less ${name}`} onClick={() => onStep(-1)}>
        −
      </button>
      <button type="button" aria-label={`More ${name}`} onClick={() => onStep(1)}>
        +
      </button>
    </span>
  )
}
