import { renewAfter } from './renewal.js'

/**
 * A token, or a function that returns a fresh one: it is asked where there is none yet, and when the server no longer takes the last one.
 * Credentials are those that several connections share.
 */
export type Token = string | TokenProvider | Credentials

/** Returns a fresh token. */
export type TokenProvider = () => string | Promise<string>

/** The token of one identity. Shared by all that act for it, it asks the provider once for all of them. */
export class Credentials {
  #token: string | undefined
  #asking: Promise<void> | undefined
  /** Asked for fresh tokens; absent where there is one token only. */
  provider: TokenProvider | undefined
  /** When the token that the provider brought is to be renewed, in milliseconds since 1970 by this machine's clock. */
  renewAt = 0

  constructor(token: string | TokenProvider) {
    if (typeof token === 'string') this.#token = token
    else this.provider = token
  }

  /** Returns the token; another one where this is about to expire. */
  async get(): Promise<string> {
    return Date.now() < this.renewAt ? (this.#token as string) : this.refresh(this.#token)
  }

  /**
   * Returns another token than a rejected one; the same where there is no other.
   *
   * @param after - the token that was rejected, or is about to expire.
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

/** Returns the credentials of a token: those that it is, or new ones. */
export function toCredentials(token: Token | undefined): Credentials | undefined {
  return token === undefined || token instanceof Credentials ? token : new Credentials(token)
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
