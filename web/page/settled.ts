import { useEffect, useState } from 'react'

/** The wait after the last keystroke before the server is asked for what was typed, in milliseconds. */
export const TYPING_PAUSE = 250

/** Returns a value once it has not changed for this many milliseconds; the first value at once. */
export function useSettled<Value>(value: Value, milliseconds: number): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds)
    return () => clearTimeout(timer)
  }, [value, milliseconds])
  return settled
}
