import { Icon } from './icons.js'
import type { Tab } from './route.js'
import { texts } from './texts/language.js'

const TABS = [
  ['markets', 'list'],
  ['trade', 'trade'],
  ['positions', 'case'],
  ['events', 'wire'],
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
    <nav className="tabs" aria-label={texts.tabs.label}>
      {TABS.filter(([name]) => hasTrading || name !== 'positions').map(([name, icon]) => (
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
          {texts.tabs[name === 'trade' && !hasTrading ? 'chart' : name]}
          {name === 'positions' && openCount > 0 && <b>{openCount}</b>}
        </button>
      ))}
    </nav>
  )
}
