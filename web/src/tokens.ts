import { renewAfter } from './token_life.js'

/**
 * A token, or a function that returns a new one. The function is called if there is no token yet, and when the last one expires or is refused.
 * `Credentials` are a token that several connections share.
 */
export type Token = string | TokenProvider | Credentials

/** Returns a new token. */
export type TokenProvider = () => string | Promise<string>

/** The token of one identity, shared by its connections, so that the provider is called once for all of them. */
export class Credentials {
  #token: string | undefined
  #asking: Promise<void> | undefined
  /** Returns new tokens; absent if there is only one token. */
  provider: TokenProvider | undefined
  /** When the token that the provider brought is to be renewed, in milliseconds since 1970 by this machine's clock. */
  renewAt = 0

  constructor(token: string | TokenProvider) {
    if (typeof token === 'string') this.#token = token
    else this.provider = token
  }

  /** Returns the token; a new one if it is about to expire. */
  async get(): Promise<string> {
    return Date.now() < this.renewAt ? (this.#token as string) : this.refresh(this.#token)
  }

  /**
   * Returns a token that replaces another; the same token if there is no provider.
   *
   * @param after - the token that was refused or is about to expire.
   */
  async refresh(after: string | undefined): Promise<string> {
    const { provider } = this
    if (provider !== undefined && this.#token === after) {
      this.#asking ??= this.#ask(provider).finally(() => {
        this.#asking = undefined
      })
      await this.#asking
    }
    return this.#token as string // given, or brought by now
  }

  async #ask(provider: TokenProvider): Promise<void> {
    this.#token = await provider()
    this.renewAt = Date.now() + 1000 * renewAfter(claimsOf(this.#token), Date.now() / 1000)
  }
}

/** Returns a token as credentials. */
export function toCredentials(token: Token | undefined): Credentials | undefined {
  return token === undefined || token instanceof Credentials ? token : new Credentials(token)
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
