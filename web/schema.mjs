// Writes src/schema.ts, the types of the server's messages, from its OpenAPI schema on the standard input.
import { readFileSync, writeFileSync } from 'node:fs'

const { components, paths } = JSON.parse(readFileSync(0, 'utf8'))
const { schemas } = components

/** The key of a schema that is referred to. */
const keyOf = (reference) => decodeURIComponent(reference.split('/').at(-1))

/** The name of a type: that of a generic one without what it is filled with. */
const nameOf = (key) => schemas[key].title.replace(/\[.*/, '')

/** The keys of what requests hold: there a member with a default may be left out, while the server sends it always. */
const requested = new Set()
const follow = (value) => {
  if (typeof value !== 'object' || value === null) return
  const key = value.$ref && keyOf(value.$ref)
  if (key !== undefined && !requested.has(key)) {
    requested.add(key)
    follow(schemas[key])
  }
  Object.values(value).forEach(follow)
}
for (const path of Object.values(paths)) for (const operation of Object.values(path)) follow(operation.requestBody)

const TYPES = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' }

function typeOf(schema) {
  if (schema.$ref) return nameOf(keyOf(schema.$ref))
  if (schema.const !== undefined) return literal(schema.const)
  if (schema.enum) return schema.enum.map(literal).join(' | ')
  const parts = schema.oneOf ?? schema.anyOf
  if (parts) return [...new Set(parts.map(typeOf))].join(' | ')
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ')
  if (schema.additionalProperties) return `Readonly<Record<string, ${typeOf(schema.additionalProperties)}>>`
  if (schema.type !== 'array') return TYPES[schema.type] ?? 'unknown'
  const item = typeOf(schema.items ?? {})
  return `readonly ${item.includes(' ') ? `(${item})` : item}[]`
}

const literal = (value) => (typeof value === 'string' ? `'${value}'` : String(value))

function declare(key) {
  const { properties = {}, required = [] } = schemas[key]
  const lines = Object.entries(properties).map(([name, schema]) => {
    const comment = schema.description ? `  /** ${schema.description} */\n` : ''
    // One of a single type is what the server leaves out where it has no value.
    const isSent = !requested.has(key) && schema.oneOf?.length !== 1
    return `${comment}  readonly ${name}${required.includes(name) || isSent ? '' : '?'}: ${typeOf(schema)}\n`
  })
  if (lines.length === 0) return `export type ${nameOf(key)} = Readonly<Record<string, never>>\n`
  return `export interface ${nameOf(key)} {\n${lines.join('')}}\n`
}

// What wraps others is written by hand: one name cannot say what it is filled with.
const keys = Object.keys(schemas).filter((key) => !/^(Data|Envelope)_/.test(key))
const declarations = keys.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)).map(declare)
const head = '// Written by schema.mjs from the server’s schema: not to be edited.\n\n'
writeFileSync(process.argv[2] ?? new URL('src/schema.ts', import.meta.url), head + declarations.join('\n'))
