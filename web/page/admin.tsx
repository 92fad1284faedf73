import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { readAdminToken, writeAdminToken } from './admin/admin_token.js'
import { Dashboard } from './admin/dashboard.js'
import { TokenForm } from './admin/token_form.js'
import { useTheme } from './theme.js'

/** The page for operators: asks for a token, then shows how the server is doing. */
function Admin() {
  useTheme()
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

const root = document.getElementById('root')
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <Admin />
    </StrictMode>,
  )
}
