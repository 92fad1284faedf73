import { Icon } from './icons.js'
import type { Tab } from './route.js'

const TABS = [
  ['markets', 'Markets', 'list'],
  ['trade', 'Trade', 'trade'],
  ['positions', 'Positions', 'case'],
  ['events', 'Events', 'wire'],
] as const

interface BottomTabsProps {
  readonly tab: Tab
  readonly hasTrading: boolean
  readonly openCount: number
  readonly onChoose: (tab: Tab) => void
}

/** The tabs at the bottom of a narrow screen. */
export function BottomTabs({ tab, hasTrading, openCount, onChoose }: BottomTabsProps) {
  return (
    <nav className="tabs" aria-label="Parts of the page">
      {TABS.filter(([name]) => hasTrading || name !== 'positions').map(([name, label, icon]) => (
        <button
          key={name}
          type="button"
          aria-current={name === tab ? 'page' : undefined}
          onClick={() => {
            onChoose(name)
            scrollTo({ top: 0 })
          }}
        >
          <Icon name={icon} />
          {name === 'trade' && !hasTrading ? 'Chart' : label}
          {name === 'positions' && openCount > 0 && <b>{openCount}</b>}
        </button>
      ))}
    </nav>
  )
}
