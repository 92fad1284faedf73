import { useEffect, useState } from 'react'

/** The wait before a part of the page that could not be loaded is loaded again, in milliseconds. */
const RETRY_AFTER = 2000

/** Loads a part of the page, again and again until it comes, and returns how far that is. */
export function useLoading(load: () => Promise<void>): 'done' | 'failed' | undefined {
  const [loading, setLoading] = useState<'done' | 'failed'>()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const fail = () => {
      setLoading('failed')
      timer = setTimeout(attempt, RETRY_AFTER)
    }
    const attempt = () => void load().then(() => setLoading('done'), fail)
    attempt()
    return () => clearTimeout(timer)
  }, [load])
  return loading
}
