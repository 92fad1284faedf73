import { type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { currentPreferences } from './preferences.js'
import { languageOf, speak } from './texts/language.js'

/** Renders a page into its document, in the user's language. */
export async function mount(page: ReactNode): Promise<void> {
  const root = document.getElementById('root')
  if (root === null) return
  await speak(languageOf(currentPreferences().language))
  createRoot(root).render(<StrictMode>{page}</StrictMode>)
}
