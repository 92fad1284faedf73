import { useCallback, useMemo, useSyncExternalStore } from 'react'
import { RANGES, type Range } from './chart/ranges.js'
import { TIMEFRAMES, type Timeframe } from './chart/timeframes.js'
import { type ChartStyle, currentPreferences } from './preferences.js'

/** The parts of the page that a narrow screen shows one at a time. */
export type Tab = 'trade' | 'markets' | 'positions' | 'events'

const TABS: readonly string[] = ['trade', 'markets', 'positions', 'events'] satisfies Tab[]

const STYLES: readonly string[] = ['candles', 'bars', 'area'] satisfies ChartStyle[]

/** What the page shows, in its URL: `#R_100/5m/positions?range=1d&style=area&product=touch`. */
export interface Route {
  readonly id: string | undefined
  readonly timeframe: Timeframe
  readonly tab: Tab
  /** The span of time that the chart shows; undefined for as many candles as fit. */
  readonly range: Range | undefined
  /** How candles are drawn; undefined for what the user has chosen last. */
  readonly style: ChartStyle | undefined
  /** The product in the ticket; whether the server has it is not known here. Undefined for the server's first. */
  readonly product: string | undefined
}

/** Returns the route that the part of a URL after `#` describes. Of a timeframe, where it says none, it is the one that the user has chosen last. */
export function readRoute(hash: string): Route {
  const [path = '', query = ''] = hash.split(/\?(.*)/s)
  const [id, timeframe = '', tab = ''] = path.split('/').map(decode)
  const said = new URLSearchParams(query)
  const [range, style] = [said.get('range') ?? '', said.get('style') ?? '']
  const { view } = currentPreferences()
  const hasTimeframe = Object.hasOwn(TIMEFRAMES, timeframe)
  return {
    id: id || undefined,
    timeframe: hasTimeframe ? (timeframe as Timeframe) : view.timeframe,
    tab: TABS.includes(tab) ? (tab as Tab) : 'trade',
    range: Object.hasOwn(RANGES, range) ? (range as Range) : hasTimeframe ? undefined : view.range,
    style: STYLES.includes(style) ? (style as ChartStyle) : undefined,
    product: said.get('product') || undefined,
  }
}

/** Returns what {@link readRoute} reads, without `#`. */
export function writeRoute({ id = '', timeframe, tab, range, style, product }: Route): string {
  const path = [encodeURIComponent(id), timeframe, ...(tab === 'trade' ? [] : [tab])].join('/')
  const query = new URLSearchParams({
    ...(range !== undefined && { range }),
    ...(style !== undefined && { style }),
    ...(product !== undefined && { product }),
  }).toString()
  return query === '' ? path : `${path}?${query}`
}

/** Returns an address that shows somebody else the same, but for the tab: others may have another screen. */
export function linkTo(route: Route): string {
  const { origin, pathname } = location
  return `${origin}${pathname}#${writeRoute({ ...route, tab: 'trade' })}`
}

const subscribeHash = (render: () => void) => {
  addEventListener('hashchange', render)
  return () => removeEventListener('hashchange', render)
}

/**
 * Returns the current route and the function that changes it. The route is in the URL so that links and the back button work; the back button
 * goes to other instruments, timeframes and tabs, not through styles and products.
 */
export function useRoute(): [Route, (change: Partial<Route>) => void] {
  const hash = useSyncExternalStore(subscribeHash, () => location.hash)
  const route = useMemo(() => readRoute(hash.slice(1)), [hash])
  const go = useCallback((change: Partial<Route>) => {
    const next = `#${writeRoute({ ...readRoute(location.hash.slice(1)), ...change })}`
    if (Object.keys(change).some((key) => key !== 'style' && key !== 'product')) {
      location.hash = next
      return
    }
    history.replaceState(null, '', next)
    dispatchEvent(new HashChangeEvent('hashchange'))
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
