// Uses the package as an application of React Native does, and prints what came of it: node run.mjs FOLDER VECTORS SERVER fetch|expo
// Nothing that engines of React Native lack is there: no MessageEvent, no TextDecoder, no streaming fetch.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ExpoFetchModule, networking } from './machine.mjs'

const [folder, vectorsFile, server, how] = process.argv.slice(2)
const vectors = JSON.parse(readFileSync(vectorsFile, 'utf8'))

/** Serves the vectors, and at /cut half an event, then the rest; at /long more text than is kept. */
const asked = []
const scripts = createServer((request, response) => {
  asked.push(request.headers['last-event-id'] ?? null)
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  if (request.url === '/cut') {
    if (asked.filter((id) => id === '1').length === 0) {
      response.write('id: 1\ndata: whole\n\nid: 2\ndata: ha')
      setImmediate(() => response.destroy())
    } else response.write('id: 2\ndata: half\n\n')
  } else if (request.url === '/long') {
    const last = Number(asked.at(-1) ?? 0)
    for (let id = last + 1; id <= last + 6; id += 1) response.write(`id: ${id}\ndata: ${'x'.repeat(1024 * 1024)}\n\n`)
  } else response.end(Buffer.from(vectors[Number(request.url.slice(1))].input, 'latin1'))
})
await new Promise((resolve) => scripts.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${scripts.address().port}`

let DeviceEvents
const native = networking((name, values) => DeviceEvents.emit(name, values))
globalThis.nativeModuleProxy = {}
globalThis.__turboModuleProxy = (name) => (name === 'Networking' ? native : null)
globalThis.ExpoFetchModule = ExpoFetchModule
const streams = globalThis.ReadableStream
for (const name of Object.getOwnPropertyNames(globalThis).filter((name) => /^[A-Z]|^(fetch|navigator)$/.test(name))) {
  const isBrowsers = /Event|Abort|Message|Text|DOM|fetch|Headers|Request|Response|URL|Stream|Blob|File|Form|Broadcast|WebSocket|navigator/
  if (isBrowsers.test(name)) delete globalThis[name]
}
globalThis.navigator = { product: 'ReactNative' }
const { expoFetch, ExpoTextDecoder, ...module } = await import(pathToFileURL(join(folder, 'native.mjs')))
DeviceEvents = module.DeviceEvents
Object.assign(globalThis, module)
globalThis.TextEncoder = (await import('node:util')).TextEncoder
createRequire(join(folder, 'package.json'))('whatwg-fetch')
if (how === 'expo') Object.assign(globalThis, { TextDecoder: ExpoTextDecoder, ReadableStream: streams })

const { CustomEventSource, TopicStore } = await import(pathToFileURL(join(folder, 'node_modules/pricewire/dist/pricewire.js')))
const { reactNative, xhrFetch } = await import(pathToFileURL(join(folder, 'node_modules/pricewire/dist/react_native.js')))

/** React Native's AppState, as an application sees it. */
const app = {
  currentState: 'active',
  listeners: new Set(),
  addEventListener(_, listener) {
    this.listeners.add(listener)
    return { remove: () => this.listeners.delete(listener) }
  },
  be(state) {
    this.currentState = state
    for (const listener of [...this.listeners]) listener(state)
  },
}
const options = reactNative(app, how === 'expo' ? expoFetch : undefined)
const chosen = options.fetch === xhrFetch ? 'XMLHttpRequest' : options.fetch === expoFetch ? 'expo/fetch' : 'fetch'

/** Reads a stream to its end, or until so many messages have come. */
const read = (address, types, count, attempts) =>
  new Promise((resolve) => {
    const events = []
    const source = new CustomEventSource(address, { ...options, reconnect: { attempts, interval: 1 } })
    const end = () => {
      source.close()
      resolve({ events, last_event_id: source.lastEventId })
    }
    for (const type of types) {
      source.addEventListener(type, ({ data, lastEventId }) => {
        if (data !== undefined && events.push({ type, data, last_event_id: lastEventId }) === count) end()
      })
    }
    source.addEventListener('error', () => source.readyState === 2 && end())
  })

const wrong = []
for (const [index, { name, events, last_event_id }] of vectors.entries()) {
  const types = new Set(['message', ...events.map(({ type }) => type)])
  types.delete('error')
  const seen = await read(`${url}/${index}`, types, Number.POSITIVE_INFINITY, 0)
  if (JSON.stringify(seen) !== JSON.stringify({ events, last_event_id })) wrong.push({ name, seen })
}
const cut = (await read(`${url}/cut`, ['message'], 2, 3)).events.map(({ data }) => data)
asked.length = 0
const long = (await read(`${url}/long`, ['message'], how === 'expo' ? 6 : 12, 3)).events.map(({ last_event_id }) => Number(last_event_id))

const store = new TopicStore({ ...options, baseUrl: server, hiddenAfter: 0 })
const states = []
const changed = []
let check = () => {}
const until = (condition) =>
  new Promise((resolve) => {
    check = () => condition() && resolve()
    check()
  })
store.onState(({ status }) => {
  states.push(status)
  check()
})
const ends = [store.subscribe('ticks:R_100', () => check())]
await until(() => store.topic('ticks:R_100').envelope)
ends.push(store.subscribe('ticks:R_50', () => changed.push('ticks:R_50') && check()))
await until(() => changed.length > 0)
app.be('inactive')
app.be('background')
await until(() => states.at(-1) === 'paused')
app.be('active')
await until(() => states.at(-1) === 'open')
const before = changed.length
await until(() => changed.length > before)
for (const end of ends) end()
await until(() => states.at(-1) === 'closed')

scripts.close()
scripts.closeAllConnections()
console.log(JSON.stringify({ chosen, wrong, cut, long, connections: asked.length, states, listeners: app.listeners.size }))
