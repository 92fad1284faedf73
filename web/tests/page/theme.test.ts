import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const STYLE = readFileSync(fileURLToPath(new URL('../../page/style/base.css', import.meta.url)), 'utf8')

/** Returns what a rule of the style sheet declares, line by line. */
function declarations(selector: string): string[] {
  const begin = STYLE.indexOf(`${selector} {`)
  expect(begin, selector).not.toBe(-1)
  const body = STYLE.slice(STYLE.indexOf('{', begin) + 1, STYLE.indexOf('}', begin))
  return body
    .split(';')
    .map((line) => line.trim())
    .filter(Boolean)
}

it('has the same dark colours before its script runs as after', () => {
  const after = declarations(':root[data-theme="dark"]')
  expect(after.length).toBeGreaterThan(10)
  expect(declarations(':root:not([data-theme])')).toEqual(after)
})
