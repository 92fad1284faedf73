import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

/** The page, built to where the Python package serves it from. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  build: {
    target: 'es2022',
    outDir: '../../src/pricewire/server/page',
    emptyOutDir: true,
    // The licences of React and of the chart go where the page goes.
    license: { fileName: 'assets/licenses.md' },
  },
  server: {
    proxy: { '/v1': 'http://127.0.0.1:8080', '/sse': 'http://127.0.0.1:8080' },
  },
})
