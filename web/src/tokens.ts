/**
 * A token, or a function that returns a fresh one: it is asked where there is none yet, and when the server no longer takes the last one.
 * Credentials are those that several connections share.
 */
export type Token = string | TokenProvider | Credentials

/** Returns a fresh token. */
export type TokenProvider = () => string | Promise<string>

/** How long before its expiry a token is exchanged, in milliseconds: time enough for a slow provider, and for clocks that differ. */
const MARGIN = 30_000

/** The token of one identity. Shared by all that act for it, it asks the provider once for all of them. */
export class Credentials {
  #token: string | undefined
  #asking: Promise<string> | undefined
  /** Asked for fresh tokens; absent where there is one token only. */
  provider: TokenProvider | undefined

  constructor(token: string | TokenProvider) {
    if (typeof token === 'string') this.#token = token
    else this.provider = token
  }

  /** Returns the token; another one where this is about to expire. */
  async get(): Promise<string> {
    const token = this.#token
    return token === undefined || exchangeAt(token) <= Date.now() ? this.refresh(token) : token
  }

  /**
   * Returns another token than a rejected one; the same where there is no other.
   *
   * @param after - the token that was rejected, or is about to expire.
   */
  async refresh(after: string | undefined): Promise<string> {
    const { provider } = this
    if (provider === undefined || this.#token !== after) return this.#token ?? ''
    this.#asking ??= this.#ask(provider).finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(provider: TokenProvider): Promise<string> {
    this.#token = await provider()
    return this.#token
  }
}

/** Returns the credentials of a token: those that it is, or new ones. */
export function toCredentials(token: Token | undefined): Credentials | undefined {
  return token === undefined || token instanceof Credentials ? token : new Credentials(token)
}

/**
 * Returns when a token should be exchanged, in milliseconds since 1970; `Infinity` where it does not say when it expires.
 *
 * Source: RFC 7519, section 4.1.4, "exp".
 */
export function exchangeAt(token: string): number {
  const { exp = Number.NaN, iat = 0 } = claimsOf(token) as { exp?: number; iat?: number }
  // Of a token that lives shorter than a few margins, the last tenth.
  const margin = Math.min(MARGIN, (exp - iat) * 100)
  return exp * 1000 - margin || Number.POSITIVE_INFINITY // NaN where there is no time, or what is none
}

/** Returns the claims of a JWT, unverified: they only say when to ask for the next one, and whose it is; none where it is no JWT. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const [, payload = ''] = token.split('.')
    return Object(JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))))
  } catch {
    return {}
  }
}
