import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build, type Rollup } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FOLDER = mkdtempSync(join(tmpdir(), 'pricewire-package-'))

afterAll(() => rmSync(FOLDER, { recursive: true }))

/** Returns how many bytes a browser is sent for an import, as an application bundles it: without what is fetched later. */
async function size(name: string, code: string, external: (string | RegExp)[] = ['react']): Promise<number> {
  const entry = join(FOLDER, `${name}.ts`)
  writeFileSync(entry, code.replaceAll('SRC', join(ROOT, 'src')))
  const [{ output }] = (await build({
    configFile: false,
    root: FOLDER,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      lib: { entry, formats: ['es'] },
      rolldownOptions: { external, output: { minify: true } },
    },
  })) as [Rollup.RollupOutput]
  const chunks = output.filter((file) => file.type === 'chunk')
  const first = chunks.filter(({ fileName, isEntry }) => isEntry || chunks[0]?.imports.includes(fileName))
  return first.reduce((sum, { code }) => sum + brotliCompressSync(code).length, 0)
}

describe('what a page has to load, after brotli', () => {
  it('is at most 4.5 KB for the core', async () => {
    const code =
      "export { createSSEConnection } from 'SRC/connection.ts'; export { CustomEventSource } from 'SRC/event_source.ts'"
    expect(await size('core', code)).toBeLessThanOrEqual(4608)
  })

  it('is at most 2.25 KB more for the hooks', async () => {
    const code = "export * from 'SRC/react.ts'"
    expect(await size('hooks', code, ['react', /pricewire\.js$/])).toBeLessThanOrEqual(2304)
  })

  it('is at most 12 KB for everything, the shared connection and its hooks included', async () => {
    expect(await size('all', "export * from 'SRC/pricewire.ts'; export * from 'SRC/react.ts'")).toBeLessThanOrEqual(
      12288,
    )
  })

  it('is nothing for an import that is not used', async () => {
    expect(await size('none', "import 'SRC/pricewire.ts'; import 'SRC/react.ts'; export {}")).toBeLessThan(20)
  })
})

describe('the package', () => {
  interface Packed {
    readonly files: readonly { readonly path: string }[]
  }
  let files: string[] = []
  beforeAll(() => {
    execFileSync(
      process.execPath,
      [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error', '--outDir', join(FOLDER, 'dist')],
      {
        cwd: ROOT,
      },
    )
    execFileSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/vite/bin/vite.js'),
        ...['build', '--config', 'vite.script.config.ts', '--logLevel', 'error', '--outDir', join(FOLDER, 'dist')],
      ],
      { cwd: ROOT },
    )
    // What is published, from a folder of its own: another process may be building or reading the real one.
    for (const name of ['package.json', 'README.md', 'LICENSE']) {
      writeFileSync(join(FOLDER, name), readFileSync(join(ROOT, name)))
    }
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    execFileSync(process.execPath, [tsc, '--project', 'tsconfig.lib.json', '--outDir', join(FOLDER, 'dist')], {
      cwd: ROOT,
    })
    const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: FOLDER,
      encoding: 'utf8',
    })
    // A list; from npm 12 on the packages by their names.
    const [packed] = Object.values(JSON.parse(text)) as [Packed]
    files = packed.files.map(({ path }) => path)
  }, 60_000)

  it('holds what its exports name, types and licence included', () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { types: string; default: string }>
    }
    expect(Object.keys(exports)).toEqual(['.', './react', './react-native', './pricewire.script.js'])
    for (const file of Object.values(exports).flatMap((entry) =>
      typeof entry === 'string' ? [entry] : [entry.types, entry.default],
    )) {
      expect(files).toContain(file.slice(2))
    }
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    expect(files.filter((path) => !/^(dist\/|LICENSE$|README\.md$|package\.json$)/.test(path))).toEqual([])
  })

  it('has the licence of the project', () => {
    const own = readFileSync(join(ROOT, 'LICENSE'), 'utf8')
    expect(own).toBe(readFileSync(join(ROOT, '../LICENSE'), 'utf8'))
  })

  it('can be imported where there is no window', async () => {
    const script = `import * as core from ${JSON.stringify(join(FOLDER, 'dist/pricewire.js'))}; console.log(typeof window, Object.keys(core).sort().join())`
    const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(text).toMatch(/^undefined .*CustomEventSource,.*createSSEConnection/)
  })

  it('exports nothing under a single letter', async () => {
    for (const name of ['pricewire', 'tabs']) {
      const file = readdirSync(join(FOLDER, 'dist')).find((each) => each.startsWith(name) && each.endsWith('.js'))
      const [exports] = readFileSync(join(FOLDER, 'dist', file ?? ''), 'utf8').match(/export \{[^}]*\}/) ?? ['']
      const names = [...exports.matchAll(/([\w$]+)(?=[,\s]*[,}])/g)].map(([each]) => each)
      expect(names.length).toBeGreaterThan(0)
      expect(names.filter((each) => each.length === 1)).toEqual([])
    }
  })

  it('tells React that its hooks run in the browser', () => {
    expect(readFileSync(join(FOLDER, 'dist/react.js'), 'utf8')).toMatch(/^['"]use client['"]/)
  })

  it('has one file for a script tag, at most 14 KB after gzip', () => {
    const script = readFileSync(join(FOLDER, 'dist/pricewire.script.js'), 'utf8')
    // Its last line is a comment.
    const names = `${script}\n;console.log(Object.keys(pricewire).join())`
    expect(execFileSync(process.execPath, ['-e', names], { encoding: 'utf8' })).toMatch(/createSSEConnection/)
    expect(script).not.toMatch(/\bimport\(/)
    expect(gzipSync(script).length).toBeLessThanOrEqual(14 * 1024)
  })

  it('says of every export what it is', () => {
    const bare: string[] = []
    // The generated types go out under names of their own, which messages.ts describes.
    for (const file of readdirSync(join(ROOT, 'src')).filter((name) => name !== 'schema.ts')) {
      const lines = readFileSync(join(ROOT, 'src', file), 'utf8').split('\n')
      lines.forEach((line, index) => {
        const isDeclared = /^export (async |abstract )*(function|class|interface|const|type) \w/.test(line)
        if (isDeclared && !lines[index - 1]?.endsWith('*/')) bare.push(`${file}: ${line}`)
      })
    }
    expect(bare).toEqual([])
  })
})
