import { useEffect, useState, useSyncExternalStore } from 'react'

const darkScheme = matchMedia('(prefers-color-scheme: dark)')
const subscribeScheme = (render: () => void) => {
  darkScheme.addEventListener('change', render)
  return () => darkScheme.removeEventListener('change', render)
}

/** Light or dark. */
export type Theme = 'light' | 'dark'

/** Returns the theme (the system's, until the user chooses another) and the function that switches it. */
export function useTheme(): [Theme, () => void] {
  const system = useSyncExternalStore(subscribeScheme, () => (darkScheme.matches ? 'dark' : 'light'))
  const [chosen, setChosen] = useState(() => readTheme())
  const theme = chosen ?? system
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme
  }, [theme])
  const toggle = () => {
    const other = theme === 'dark' ? 'light' : 'dark'
    // A user who chooses the system's theme follows the system again.
    setChosen(other === system ? undefined : other)
    writeTheme(other === system ? undefined : other)
  }
  return [theme, toggle]
}

// Where the browser forbids storage, even reading the property `localStorage` throws.
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
    // The choice lasts until the page is reloaded.
  }
}
