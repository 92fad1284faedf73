import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renewAfter } from '../../src/token_life.js'
import { claimsOf } from '../../src/tokens.js'
import { jwt } from '../pricewire.js'

interface Vector {
  name: string
  claims: object
  /** The time of the receipt, in seconds since 1970. */
  now: number
  /** In seconds; null where the token is not renewed. */
  wait: number | null
}

const VECTORS: Vector[] = JSON.parse(
  readFileSync(new URL('../../../tests/vectors/renewal.json', import.meta.url), 'utf8'),
)

describe('renewAfter', () => {
  it.each(VECTORS)('does as the Python client does: $name', ({ claims, now, wait }) => {
    expect(renewAfter(claimsOf(jwt(claims)), now)).toBe(wait ?? Number.POSITIVE_INFINITY)
  })
})
