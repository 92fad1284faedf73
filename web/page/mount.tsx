import { type ReactNode, StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { currentPreferences, subscribePreferences } from './preferences.js'
import { languageOf, speak } from './texts/language.js'

/** Renders a page into its document, in the user's language. */
export async function mount(page: ReactNode): Promise<void> {
  const root = document.getElementById('root')
  if (root === null) return
  const speakAsChosen = () => speak(languageOf(currentPreferences().language))
  await speakAsChosen()
  subscribePreferences(() => void speakAsChosen())
  createRoot(root).render(<StrictMode>{page}</StrictMode>)
}
