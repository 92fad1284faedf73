import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import type { Instrument } from '../src/pricewire.js'
import { fetchInstruments } from './api.js'
import { RequestError } from './requests.js'
import { useStore } from './server.js'
import { fetchProducts, type Product } from './trade/trading.js'

/** Returns the time in milliseconds, renewed every second while it is wanted. */
export function useNow(isWanted: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!isWanted) return
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [isWanted])
  return now
}

/** How long to wait before the list is asked for again, in milliseconds. */
const RETRY_AFTER = 2000

/**
 * Returns the server's instruments. They are asked for again whenever the connection comes back, since a server that was restarted may serve another feed; and
 * where the connection has ended for good, since that may be because a topic is none any more.
 */
export function useInstruments(): { instruments: Instrument[] | undefined; error: string | undefined } {
  const store = useStore()
  const [instruments, setInstruments] = useState<Instrument[]>()
  const [error, setError] = useState<string>()
  useEffect(() => {
    let attempt = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      attempt.abort()
      clearTimeout(timer)
      attempt = new AbortController()
      const { signal } = attempt
      try {
        const list = await fetchInstruments(signal)
        if (signal.aborted) return
        setInstruments(list)
        setError(undefined)
        // With a new list the topics change, and the connection with them. With the same one it has to be told to try again.
        timer = setTimeout(() => {
          if (store.state.status === 'closed') store.reconnect()
        }, RETRY_AFTER)
      } catch (reason) {
        if (signal.aborted) return
        setError((reason as Error).message)
        timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    let wasLost = false
    const end = store.onState((state) => {
      const isOver = state.status === 'closed' && state.error !== undefined
      if (isOver || (wasLost && state.status === 'open')) void load()
      wasLost = isOver || state.status === 'waiting' || (wasLost && state.status === 'connecting')
    })
    return () => {
      end()
      attempt.abort()
      clearTimeout(timer)
    }
  }, [store])
  return { instruments, error }
}

/** Returns the server's products: none where it has no trading, undefined until that is known. */
export function useProducts(): Product[] | undefined {
  const [products, setProducts] = useState<Product[]>()
  useEffect(() => {
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const load = async () => {
      try {
        setProducts(await fetchProducts(leaving.signal))
      } catch (error) {
        if (leaving.signal.aborted) return
        if (error instanceof RequestError && error.status === 404) setProducts([])
        else timer = setTimeout(load, RETRY_AFTER)
      }
    }
    void load()
    return () => {
      leaving.abort()
      clearTimeout(timer)
    }
  }, [])
  return products
}

/** The timeframes of the chart: seconds per candle, 0 for the single ticks. */
export const TIMEFRAMES = { tick: 0, '1m': 60, '5m': 300, '15m': 900, '1h': 3600, '4h': 14_400, '1d': 86_400 } as const

/** The name of a timeframe. */
export type Timeframe = keyof typeof TIMEFRAMES

/** What the address says is shown: `#R_100/5m`. */
export interface Place {
  readonly id: string | undefined
  readonly timeframe: Timeframe
}

const subscribeHash = (render: () => void) => {
  addEventListener('hashchange', render)
  return () => removeEventListener('hashchange', render)
}

/** Returns what the address says is shown, and the function that goes elsewhere; so the back button and links work. */
export function usePlace(): [Place, (place: Partial<Place>) => void] {
  const hash = useSyncExternalStore(subscribeHash, () => location.hash)
  const [id, timeframe = ''] = hash.slice(1).split('/').map(decode)
  const place: Place = { id: id || undefined, timeframe: timeframe in TIMEFRAMES ? (timeframe as Timeframe) : '1m' }
  const go = useCallback((change: Partial<Place>) => {
    const [id = '', timeframe = '1m'] = location.hash.slice(1).split('/')
    location.hash = [change.id === undefined ? id : encodeURIComponent(change.id), change.timeframe ?? timeframe].join(
      '/',
    )
  }, [])
  return [place, go]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a lone percent sign, in an address typed by hand
  }
}

const darkScheme = matchMedia('(prefers-color-scheme: dark)')
const subscribeScheme = (render: () => void) => {
  darkScheme.addEventListener('change', render)
  return () => darkScheme.removeEventListener('change', render)
}

/** Light or dark. */
export type Theme = 'light' | 'dark'

/** Returns the theme, the system's until another is chosen, and the function that switches it. */
export function useTheme(): [Theme, () => void] {
  const system = useSyncExternalStore(subscribeScheme, () => (darkScheme.matches ? 'dark' : 'light'))
  const [chosen, setChosen] = useState(() => readTheme())
  const theme = chosen ?? system
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme
  }, [theme])
  const toggle = () => {
    const other = theme === 'dark' ? 'light' : 'dark'
    // To choose what the system has anyway is to follow the system again.
    setChosen(other === system ? undefined : other)
    writeTheme(other === system ? undefined : other)
  }
  return [theme, toggle]
}

// Where storage is forbidden, even to look at it throws.
function readTheme(): Theme | undefined {
  try {
    const theme = localStorage.getItem('theme')
    return theme === 'light' || theme === 'dark' ? theme : undefined
  } catch {
    return undefined
  }
}

function writeTheme(theme: Theme | undefined): void {
  try {
    if (theme === undefined) localStorage.removeItem('theme')
    else localStorage.setItem('theme', theme)
  } catch {
    // It holds for this visit only.
  }
}
