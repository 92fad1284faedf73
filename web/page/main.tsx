import { lazy, type ReactNode, Suspense } from 'react'
import { App } from './app.js'
import { loadChart } from './chart/chart_panel.js'
import { Embed } from './embed.js'
import { mount } from './mount.js'

/** Loaded by operators alone. */
const Admin = lazy(async () => ({ default: (await import('./admin/admin.js')).Admin }))

// One program for all addresses: several would share most of their code, and compress worse.
void mount(pageAt(location.pathname))

function pageAt(path: string): ReactNode {
  if (path.replace(/\/$/, '') === '/admin')
    return (
      <Suspense>
        <Admin />
      </Suspense>
    )
  // Early; where that fails, the page says so.
  loadChart().catch(() => {})
  return path.startsWith('/embed/') ? <Embed /> : <App />
}
