import { App } from './app.js'
import { Embed } from './embed.js'
import { mount } from './mount.js'

// One program for all addresses: several would share most of their code, and compress worse.
void mount(location.pathname.startsWith('/embed/') ? <Embed /> : <App />)
