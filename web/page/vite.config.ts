import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

/** Also writes each script and style sheet compressed, so that the server need not compress it for every visitor. */
const compressed: Plugin = {
  name: 'compressed',
  // Only when all files are written: until then Vite still fills in the scripts that are loaded later.
  writeBundle({ dir = '' }, bundle) {
    for (const name of Object.keys(bundle)) {
      if (!/\.(js|css)$/.test(name)) continue
      const path = join(dir, name)
      writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }))
    }
  },
}

const ROOT = fileURLToPath(new URL('.', import.meta.url))

/** The trading page, built into the folder from which the Python package serves it. */
export default defineConfig({
  root: ROOT,
  plugins: [compressed],
  build: {
    target: 'es2022',
    outDir: '../../src/pricewire/server/page',
    emptyOutDir: true,
    // What everybody needs is one file: of many small ones none compresses well.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'page', tags: ['$initial'] }] } } },
    // The licences of React and of the chart must be distributed with the page.
    license: { fileName: 'assets/licenses.md' },
  },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/sse', '/protected', '/login'].map((path) => [path, 'http://127.0.0.1:8080'] as const),
    ),
  },
})
