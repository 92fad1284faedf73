import { useCallback, useSyncExternalStore } from 'react'
import { TIMEFRAMES, type Timeframe } from './chart/timeframes.js'

/** The parts of the page that a narrow screen shows one at a time. */
export type Tab = 'trade' | 'markets' | 'positions' | 'events'

const TABS: readonly string[] = ['trade', 'markets', 'positions', 'events'] satisfies Tab[]

/** The instrument, the timeframe and, on a narrow screen, the tab in the page's URL: `#R_100/5m/positions`. */
export interface Route {
  readonly id: string | undefined
  readonly timeframe: Timeframe
  readonly tab: Tab
}

const subscribeHash = (render: () => void) => {
  addEventListener('hashchange', render)
  return () => removeEventListener('hashchange', render)
}

/** Returns the current route and the function that changes it. The route is in the URL so that links and the back button work. */
export function useRoute(): [Route, (route: Partial<Route>) => void] {
  const hash = useSyncExternalStore(subscribeHash, () => location.hash)
  const [id, timeframe = '', tab = ''] = hash.slice(1).split('/').map(decode)
  const route: Route = {
    id: id || undefined,
    timeframe: timeframe in TIMEFRAMES ? (timeframe as Timeframe) : '1m',
    tab: TABS.includes(tab) ? (tab as Tab) : 'trade',
  }
  const go = useCallback((change: Partial<Route>) => {
    const [id = '', timeframe = '1m', tab = 'trade'] = location.hash.slice(1).split('/')
    const next = [
      change.id === undefined ? id : encodeURIComponent(change.id),
      change.timeframe ?? timeframe,
      change.tab ?? tab,
    ]
    location.hash = (next[2] === 'trade' ? next.slice(0, 2) : next).join('/')
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
