import { useCallback, useSyncExternalStore } from 'react'
import { TIMEFRAMES, type Timeframe } from './chart/timeframes.js'

/** The instrument and timeframe in the page's URL: `#R_100/5m`. */
export interface Route {
  readonly id: string | undefined
  readonly timeframe: Timeframe
}

const subscribeHash = (render: () => void) => {
  addEventListener('hashchange', render)
  return () => removeEventListener('hashchange', render)
}

/** Returns the current route and the function that changes it. The route is in the URL so that links and the back button work. */
export function useRoute(): [Route, (route: Partial<Route>) => void] {
  const hash = useSyncExternalStore(subscribeHash, () => location.hash)
  const [id, timeframe = ''] = hash.slice(1).split('/').map(decode)
  const route: Route = { id: id || undefined, timeframe: timeframe in TIMEFRAMES ? (timeframe as Timeframe) : '1m' }
  const go = useCallback((change: Partial<Route>) => {
    const [id = '', timeframe = '1m'] = location.hash.slice(1).split('/')
    location.hash = [change.id === undefined ? id : encodeURIComponent(change.id), change.timeframe ?? timeframe].join(
      '/',
    )
  }, [])
  return [route, go]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // somebody typed a URL with a lone percent sign
  }
}
