// Makes one module of what React Native and Expo give to an application for its requests, from their own sources: node bundle.mjs WEB FOLDER
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [web, folder] = process.argv.slice(2)
const { rolldown } = await import(createRequire(join(web, 'package.json')).resolve('rolldown'))
const removeTypes = createRequire(join(folder, 'package.json'))('flow-remove-types')

const ENTRY = `
export { default as XMLHttpRequest } from './react-native/Libraries/Network/XMLHttpRequest.js'
export { default as Event } from './react-native/src/private/webapis/dom/events/Event.js'
export { default as EventTarget } from './react-native/src/private/webapis/dom/events/EventTarget.js'
export { default as DeviceEvents } from './react-native/Libraries/EventEmitter/RCTDeviceEventEmitter.js'
export { URL, URLSearchParams } from './react-native/Libraries/Blob/URL.js'
export { AbortController, AbortSignal } from 'abort-controller/dist/abort-controller'
export { fetch as expoFetch } from './expo/src/winter/fetch/fetch.ts'
export { TextDecoder as ExpoTextDecoder } from './expo/src/winter/TextDecoder.ts'
`

const sources = {
  name: 'sources of React Native and Expo',
  resolveId(id, importer) {
    if (id === 'entry') return join(folder, 'entry.js')
    // Its classes are native: the machine has them.
    if (id === './ExpoFetchModule' && importer?.includes('/winter/fetch/')) return '\0expo'
    return null
  },
  load(id) {
    if (id === join(folder, 'entry.js')) return ENTRY
    return id === '\0expo' ? 'export const ExpoFetchModule = globalThis.ExpoFetchModule' : null
  },
  transform: (code, id) => (id.includes('/react-native/') ? removeTypes(code, { all: true }).toString() : null),
}

const bundle = await rolldown({
  input: 'entry',
  cwd: folder,
  platform: 'browser',
  logLevel: 'silent',
  plugins: [sources],
  // The files for iOS; those for Android differ in how they call the machine.
  resolve: { extensions: ['.ios.js', '.js', '.ts'], mainFields: ['main'] },
  transform: { define: { __DEV__: 'false', global: 'globalThis' } },
})
await bundle.write({ file: join(folder, 'native.mjs'), format: 'esm', codeSplitting: false })
