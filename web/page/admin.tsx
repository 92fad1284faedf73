import { useEffect, useState } from 'react'
import { readAdminToken, writeAdminToken } from './admin/admin_token.js'
import { Dashboard } from './admin/dashboard.js'
import { TokenForm } from './admin/token_form.js'
import { useTheme } from './theme.js'
import './style/admin.css'

/** The page for operators: asks for a token, then shows how the server is doing. */
export function Admin() {
  useTheme()
  useEffect(() => {
    document.title = 'Pricewire for operators'
  }, [])
  const [token, setToken] = useState(readAdminToken)
  const [problem, setProblem] = useState<string>()
  const enter = (next: string | undefined, why?: string) => {
    writeAdminToken(next)
    setToken(next)
    setProblem(why)
  }
  if (token === undefined) return <TokenForm problem={problem} onToken={enter} />
  return <Dashboard token={token} onLeave={(why) => enter(undefined, why)} />
}
