interface ChipsProps {
  readonly label: string
  readonly options: readonly string[]
  /** What the input has now. */
  readonly value: string
  readonly onChoose: (option: string) => void
}

/** Values that are chosen by a press, below the input that they are for. */
export function Chips({ label, options, value, onChoose }: ChipsProps) {
  if (options.length === 0) return null
  return (
    <fieldset className="chips" aria-label={label}>
      {options.map((option) => (
        <button key={option} type="button" aria-pressed={option === value.trim()} onClick={() => onChoose(option)}>
          {option}
        </button>
      ))}
    </fieldset>
  )
}
