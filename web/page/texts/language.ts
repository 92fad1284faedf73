import { useSyncExternalStore } from 'react'
import type { LanguageChoice } from '../preferences.js'
import { english, type Texts } from './english.js'

/** A language that the page speaks, by its code of two letters. */
export type Language = Exclude<LanguageChoice, 'system'>

/** The languages, each named in itself. */
export const LANGUAGES: Readonly<Record<Language, string>> = { en: 'English', de: 'Deutsch' }

/** English is part of the page; another language is loaded where it is spoken. */
const LOADERS: Readonly<Record<Language, () => Promise<Texts>>> = {
  en: async () => english,
  de: async () => (await import('./german.js')).german,
}

/**
 * The texts in the language of the page.
 *
 * Read it while rendering, never keep it: it is another table when the language changes, and everything is rendered anew.
 */
export let texts: Texts = english

let language: Language = 'en'
/** The language that was wanted last; its texts may still be on their way. */
let latest: Language = 'en'
const listeners = new Set<() => void>()

/** Returns the language of the page, and renders anew when it changes: for the root, and for what is rendered by itself (`memo`, effects). */
export function useLanguage(): Language {
  return useSyncExternalStore(subscribe, () => language)
}

/** Returns the language that the user has chosen or, if none, the first of the browser's that the page speaks; English if it speaks none. */
export function languageOf(choice: LanguageChoice, accepted: readonly string[] = navigator.languages): Language {
  if (choice !== 'system') return choice
  const codes = accepted.map((tag) => tag.slice(0, 2).toLowerCase())
  return codes.find((code): code is Language => code in LANGUAGES) ?? 'en'
}

/** Makes the page speak a language. If its texts cannot be loaded, the page stays with the one that it has. */
export async function speak(wanted: Language): Promise<void> {
  latest = wanted
  let table: Texts
  try {
    table = await LOADERS[wanted]()
  } catch {
    return
  }
  if (wanted !== latest || table === texts) return
  texts = table
  language = wanted
  document.documentElement.lang = wanted
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
