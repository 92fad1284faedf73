import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'vite'
import { expect, it } from 'vitest'

const PAGE = fileURLToPath(new URL('../../../page', import.meta.url))

/** Attributes whose value people see or hear. */
const SPOKEN = new Set(['alt', 'aria-label', 'hint', 'label', 'placeholder', 'title'])

/** Attributes, and a property, whose value only programs read. */
const UNSPOKEN = new Set(['className', 'd', 'points', 'rel', 'viewBox', 'preserveAspectRatio'])

/** Names that are the same in every language, units, keys of the keyboard, what the server calls a category, and names of the web's own. */
const NAMES =
  /^(Pricewire|TradingView|Python|React|HTML|UTC|p50|p99|ms|B|kB|MB|\/?s|Escape|Enter|Arrow(Up|Down)|Volatility|Authorization|Bearer|Content-Type|Retry-After|Pricewire-Next-Cursor|RequestError|Notification|\(prefers-.*|dark\))$/

/** Programs that users copy. */
const PROGRAMS = 'inspector/snippets.ts'

/** Two words, or one with a capital: a text for people, where nothing says that it is not. */
const TEXT = /\p{L}{2,}[,.:;]? \p{L}{2,}|^\p{Lu}\p{Ll}+/u

interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

/** Returns the literal texts of a program that people would read, each with its line. */
function literalsOf(name: string, code: string): string[] {
  const found: string[] = []
  const add = (text: string, { start }: Node) => {
    const parts = text.split(/[\s·]+/).filter((part) => /\p{L}/u.test(part))
    if (parts.some((part) => !NAMES.test(part)))
      found.push(`${name}:${code.slice(0, start).split('\n').length}: ${text.trim()}`)
  }
  /** `isSpoken`: what this yields is read by people, whatever it looks like. */
  const visit = (value: unknown, isSpoken = false): void => {
    if (Array.isArray(value)) for (const each of value) visit(each)
    if (value === null || typeof value !== 'object' || !('type' in value)) return
    const node = value as Node
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ImportExpression':
        return
      case 'ExportNamedDeclaration':
        visit(node['declaration'])
        return
      case 'JSXAttribute': {
        const { name } = node['name'] as { name: string }
        if (!UNSPOKEN.has(name)) visit(node['value'], SPOKEN.has(name))
        return
      }
      case 'JSXElement':
      case 'JSXFragment':
        visit(node['openingElement'])
        for (const child of node['children'] as Node[]) visit(child, true)
        return
      case 'JSXText':
        add(String(node['value']), node)
        return
      case 'JSXExpressionContainer':
        visit(node['expression'], isSpoken)
        return
      case 'ConditionalExpression':
        visit(node['test'])
        visit(node['consequent'], isSpoken)
        visit(node['alternate'], isSpoken)
        return
      case 'LogicalExpression':
        visit(node['left'], isSpoken && node['operator'] === '??')
        visit(node['right'], isSpoken)
        return
      case 'Literal':
        if (typeof node['value'] === 'string' && (isSpoken || TEXT.test(node['value']))) add(node['value'], node)
        return
      case 'TemplateLiteral':
        for (const quasi of node['quasis'] as Node[]) {
          const { cooked } = quasi['value'] as { cooked: string }
          if (isSpoken || TEXT.test(cooked)) add(cooked, quasi)
        }
        visit(node['expressions'])
        return
    }
    // Types are not part of what runs, but for those around a value.
    if (node.type.startsWith('TS') && !/^TS(As|NonNull|Satisfies)/.test(node.type)) return
    for (const [key, each] of Object.entries(node)) if (key !== 'type') visit(each)
  }
  visit(parseSync(name, code).program)
  return found
}

it.each([
  ['<p>Hello</p>', 'Hello'],
  ["<p>{isOpen ? 'Open' : 'Closed'}</p>", 'Open'],
  ['<p title="old" />', 'old'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a program.
  ['<p title={isOld ? `${age} old` : undefined} />', 'old'],
  ["<p>{isOld && 'old'}</p>", 'old'],
  ["refuse('No price yet')", 'No price yet'],
])('finds the text in %s', (code, text) => {
  expect(literalsOf('example.tsx', code).join()).toContain(text)
})

it('finds no text where there is none', () => {
  const code =
    '<p className="card wide" data-price="bid" title={texts.bid}>{texts.ask} · {side === \'up\' && price} ms</p>; send(\'GET\')'
  expect(literalsOf('example.tsx', code)).toEqual([])
})

it('has no text for people outside of the table of texts', () => {
  const files = readdirSync(PAGE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map(({ parentPath, name }) => relative(PAGE, join(parentPath, name)))
    .filter((name) => !name.startsWith('texts/') && name !== PROGRAMS)
  expect(files.length).toBeGreaterThan(50)
  const found = files.flatMap((name) => literalsOf(name, readFileSync(join(PAGE, name), 'utf8')))
  expect(found).toEqual([])
})
