import { lazy, Suspense } from 'react'
import { App } from './app.js'
import { Embed } from './embed.js'
import { mount } from './mount.js'

/** Loaded for operators alone. */
const Admin = lazy(async () => ({ default: (await import('./admin.js')).Admin }))

// One program for all addresses: several would share most of their code, and compress worse.
if (location.pathname === '/admin')
  void mount(
    <Suspense>
      <Admin />
    </Suspense>,
  )
else void mount(location.pathname.startsWith('/embed/') ? <Embed /> : <App />)
