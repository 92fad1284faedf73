import { type ReactNode, useId } from 'react'

/** The attributes that connect an input with its label and its hint or error. */
export interface FieldIds {
  readonly id: string
  readonly 'aria-invalid': boolean
  readonly 'aria-describedby': string
}

interface FieldProps {
  readonly label: string
  /** The text below the input while its value is valid. */
  readonly hint?: string | undefined
  /** What is wrong with the value. */
  readonly problem?: string | undefined
  readonly children: (ids: FieldIds) => ReactNode
}

/** An input with its label above, and a hint or an error below. */
export function Field({ label, hint = '', problem, children }: FieldProps) {
  const id = useId()
  const note = `${id}-note`
  return (
    <div className="field" data-invalid={problem !== undefined}>
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-invalid': problem !== undefined, 'aria-describedby': note })}
      <small id={note} className={problem === undefined ? '' : 'problem'}>
        {problem ?? hint}
      </small>
    </div>
  )
}

interface SegmentsProps<Value extends string> {
  readonly label: string
  readonly options: readonly (readonly [Value, string])[]
  readonly value: Value
  readonly onChange: (value: Value) => void
}

/** Radio buttons drawn as segments, side by side. */
export function Segments<Value extends string>({ label, options, value, onChange }: SegmentsProps<Value>) {
  const name = useId()
  return (
    <fieldset className="segments">
      <legend className="visually-hidden">{label}</legend>
      {options.map(([option, text]) => (
        <label key={option}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  )
}
