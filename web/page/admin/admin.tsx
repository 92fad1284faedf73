import { useEffect, useState } from 'react'
import styleSheet from '../style/admin.css?url'
import { texts, useLanguage } from '../texts/language.js'
import { useTheme } from '../theme.js'
import { readAdminToken, writeAdminToken } from './admin_token.js'
import { Dashboard } from './dashboard.js'
import { addStyleSheet } from './style_sheet.js'
import { TokenForm } from './token_form.js'

await addStyleSheet(styleSheet)

/** The page for operators: asks for a token, then shows how the server is doing. */
export function Admin() {
  useTheme()
  const language = useLanguage()
  const [token, setToken] = useState(readAdminToken)
  const [problem, setProblem] = useState<string>()
  // biome-ignore lint/correctness/useExhaustiveDependencies: another language has another title.
  useEffect(() => {
    document.title = texts.admin.title
  }, [language])
  const enter = (next: string | undefined, why?: string) => {
    writeAdminToken(next)
    setToken(next)
    setProblem(why)
  }
  if (token === undefined) return <TokenForm problem={problem} onToken={enter} />
  return <Dashboard token={token} onLeave={(why) => enter(undefined, why)} />
}
