/**
 * A token, or a function that returns a new one. The function is called if there is no token yet, and when the last one expires or is refused.
 * `Credentials` are a token that several connections share.
 */
export type Token = string | TokenProvider | Credentials

/** Returns a new token. */
export type TokenProvider = () => string | Promise<string>

/** How long before its expiry a token is replaced, in milliseconds: enough for a slow provider and for clocks that differ. */
const MARGIN = 30_000

/** The token of one identity, shared by its connections, so that the provider is called once for all of them. */
export class Credentials {
  #token: string | undefined
  #asking: Promise<string> | undefined
  /** Returns new tokens; absent if there is only one token. */
  provider: TokenProvider | undefined

  constructor(token: string | TokenProvider) {
    if (typeof token === 'string') this.#token = token
    else this.provider = token
  }

  /** Returns the token; a new one if it is about to expire. */
  async get(): Promise<string> {
    const token = this.#token
    return token === undefined || exchangeAt(token) <= Date.now() ? this.refresh(token) : token
  }

  /**
   * Returns a token that replaces another; the same token if there is no provider.
   *
   * @param after - the token that was refused or is about to expire.
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

/** Returns a token as credentials. */
export function toCredentials(token: Token | undefined): Credentials | undefined {
  return token === undefined || token instanceof Credentials ? token : new Credentials(token)
}

/**
 * Returns when a token should be replaced, in milliseconds since 1970; `Infinity` if it does not say when it expires.
 *
 * Source: RFC 7519, section 4.1.4, "exp".
 */
export function exchangeAt(token: string): number {
  const { exp = Number.NaN, iat = 0 } = claimsOf(token) as { exp?: number; iat?: number }
  // For a token with a short life: the last tenth of it.
  const margin = Math.min(MARGIN, (exp - iat) * 100)
  return exp * 1000 - margin || Number.POSITIVE_INFINITY // NaN if `exp` is absent or not a number
}

/** Returns the claims of a JWT, or none if it is not a JWT. They are not verified: they only say when the token expires and whose it is. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const [, payload = ''] = token.split('.')
    return Object(JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))))
  } catch {
    return {}
  }
}
