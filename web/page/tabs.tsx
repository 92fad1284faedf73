import { Icon } from './icons.js'

/** What a narrow screen shows; a wide one shows all at once. */
export type Tab = 'markets' | 'trade' | 'positions' | 'wire'

const TABS = [
  ['markets', 'Markets', 'list'],
  ['trade', 'Trade', 'trade'],
  ['positions', 'Positions', 'case'],
  ['wire', 'Wire', 'wire'],
] as const

interface TabsProps {
  readonly tab: Tab
  readonly hasTrading: boolean
  readonly openCount: number
  readonly onChoose: (tab: Tab) => void
}

/** The bar at the foot of a phone. */
export function Tabs({ tab, hasTrading, openCount, onChoose }: TabsProps) {
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
