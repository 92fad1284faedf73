/** How long before its end a token is renewed, in seconds; half of its life where that is less than twice this. */
const MARGIN = 30

/** The shortest life that is renewed, in seconds: at half of a shorter one the provider would be asked again and again. */
const SHORTEST = 2

/**
 * Returns how long after its receipt a token is to be renewed, in seconds; `Infinity` where it is not, as it has no end or a very near one.
 *
 * A life is a duration, counted from the receipt: so it does no harm where this machine's clock is wrong. The Python client has the same rule.
 *
 * @param claims - the token's; without an `iat` it counts as issued now.
 * @param now - the time of the receipt by this machine's clock, in seconds since 1970.
 *
 * Source: RFC 7519, sections 4.1.4, "exp", and 4.1.6, "iat".
 */
export function renewAfter({ exp, iat }: { exp?: number; iat?: number | null }, now: number): number {
  const life = (exp as number) - (iat ?? now)
  return life >= SHORTEST ? Math.max(life - MARGIN, life / 2) : Number.POSITIVE_INFINITY // also of what is no number
}
