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

/** Has the browser load the chart at once, while it still runs the script that asks for it. */
const preloaded: Plugin = {
  name: 'preloaded',
  transformIndexHtml: {
    order: 'post',
    handler(_, { bundle = {} }) {
      const chart = Object.values(bundle).find(({ type, name }) => type === 'chunk' && name === 'chart')
      if (chart === undefined) return []
      return [{ tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${chart.fileName}` } }]
    },
  },
}

/** Takes out the indentation and the comments of the page itself. */
const compact: Plugin = {
  name: 'compact',
  transformIndexHtml: { order: 'post', handler: (html) => html.replace(/<!--.*?-->|\n */gs, '') },
}

const ROOT = fileURLToPath(new URL('.', import.meta.url))

/** The trading page, built into the folder from which the Python package serves it. */
export default defineConfig({
  root: ROOT,
  plugins: [compressed, preloaded, compact],
  build: {
    target: 'es2022',
    outDir: '../../src/pricewire/server/page',
    emptyOutDir: true,
    // What is loaded later needs nothing beside itself but the page, which is there.
    modulePreload: false,
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
