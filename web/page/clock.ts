import { useEffect, useState } from 'react'
import { delays } from './inspector/delays.js'

/** Returns the browser's time in milliseconds since 1970, updated every second while `isRunning`. */
export function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!isRunning) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [isRunning])
  return now
}

/** Converts a time of the browser's clock to the server's clock, as far as the page can know it; both in milliseconds since 1970. */
export function serverTime(now: number): number {
  return now - delays.offset
}
