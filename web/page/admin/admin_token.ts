/** The key in `sessionStorage`: the token survives a reload of the page, and is gone when the tab is closed. */
const KEY = 'pricewire-admin-token'

/** Returns the operator's token that this tab has. */
export function readAdminToken(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined
  } catch {
    return undefined // where the browser forbids storage, even reading the property `sessionStorage` throws
  }
}

/** Keeps the operator's token for this tab, or forgets it. */
export function writeAdminToken(token: string | undefined): void {
  try {
    if (token === undefined) sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, token)
  } catch {
    // The token lasts until the page is reloaded.
  }
}
