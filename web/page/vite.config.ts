import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

/** Writes each script and style compressed as well, so that the server does not have to do it for every reader. */
const compressed: Plugin = {
  name: 'compressed',
  // When all is written: until then Vite still fills in what scripts load later.
  writeBundle({ dir = '' }, bundle) {
    for (const name of Object.keys(bundle)) {
      if (!/\.(js|css)$/.test(name)) continue
      const path = join(dir, name)
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
    }
  },
}

/** The page, built to where the Python package serves it from. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [compressed],
  build: {
    target: 'es2022',
    outDir: '../../src/pricewire/server/page',
    emptyOutDir: true,
    // The licences of React and of the chart go where the page goes.
    license: { fileName: 'assets/licenses.md' },
  },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/sse', '/protected', '/login'].map((path) => [path, 'http://127.0.0.1:8080'] as const),
    ),
  },
})
