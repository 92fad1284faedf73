import { useLayoutEffect, useState, useSyncExternalStore } from 'react'

const darkScheme = matchMedia('(prefers-color-scheme: dark)')
const subscribeScheme = (render: () => void) => {
  darkScheme.addEventListener('change', render)
  return () => darkScheme.removeEventListener('change', render)
}

/** Light or dark. */
export type Theme = 'light' | 'dark'

/** What the user has chosen: a theme, or that of the system. */
export type ThemeChoice = Theme | 'system'

// Before anything is drawn.
document.documentElement.dataset['theme'] = themeOf(readChoice())

/** Returns the theme, what the user has chosen, and the function that chooses. */
export function useTheme(): [Theme, ThemeChoice, (choice: ThemeChoice) => void] {
  const [choice, setChoice] = useState(readChoice)
  const theme = useSyncExternalStore(subscribeScheme, () => themeOf(choice))
  // Before the effects of the chart, which reads its colours from the page: those of a child run before those of its parent.
  useLayoutEffect(() => {
    document.documentElement.dataset['theme'] = theme
  }, [theme])
  const choose = (next: ThemeChoice) => {
    setChoice(next)
    writeChoice(next)
  }
  return [theme, choice, choose]
}

function themeOf(choice: ThemeChoice): Theme {
  return choice !== 'system' ? choice : darkScheme.matches ? 'dark' : 'light'
}

// Where the browser forbids storage, even reading the property `localStorage` throws.
function readChoice(): ThemeChoice {
  try {
    const theme = localStorage.getItem('theme')
    return theme === 'light' || theme === 'dark' ? theme : 'system'
  } catch {
    return 'system'
  }
}

function writeChoice(choice: ThemeChoice): void {
  try {
    if (choice === 'system') localStorage.removeItem('theme')
    else localStorage.setItem('theme', choice)
  } catch {
    // The choice lasts until the page is reloaded.
  }
}
