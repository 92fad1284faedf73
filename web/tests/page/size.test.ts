import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What is loaded when it is needed: other languages, the statement, the drawer for developers, the page for operators, the tabs' shared connection. */
const ON_DEMAND = /^(german|statement|inspector|tabs|admin)-.*\.(js|css)$/

it('is at most 150 KB for the page with its chart, after brotli', { timeout: 180_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pricewire-page-'))
  try {
    const vite = join(ROOT, 'node_modules/vite/bin/vite.js')
    // As it is for users: a test's environment has React's development build, which is twice as large.
    const env = { ...process.env, NODE_ENV: 'production' }
    execFileSync(process.execPath, [vite, 'build', '--config', 'page/vite.config.ts', '--outDir', folder], {
      cwd: ROOT,
      env,
    })
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && !/\.(md|gz)$/.test(entry.name),
    )
    // Each is a file of its own, so that it is loaded by those who need it only.
    expect(entries.filter(({ name }) => ON_DEMAND.test(name))).toHaveLength(6)
    const files = entries
      .filter(({ name }) => !ON_DEMAND.test(name))
      .map(({ parentPath, name }) => readFileSync(join(parentPath, name)))
    const total = files.reduce((sum, content) => sum + brotliCompressSync(content).length, 0)
    expect(total).toBeGreaterThan(50 * 1024) // with React and the chart, so that it is the whole page that is measured
    expect(total).toBeLessThanOrEqual(150 * 1024)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
