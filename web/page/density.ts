import { useEffect } from 'react'
import { usePreferences } from './preferences.js'

/** Has the style sheets draw lists and forms as the user has chosen. */
export function useDensity(): void {
  const [{ density }] = usePreferences()
  useEffect(() => {
    document.documentElement.dataset['density'] = density
  }, [density])
}
