import { useSyncExternalStore } from 'react'
import { RequestError } from '../requests.js'
import { type Account, fetchAccounts, logIn, logOut } from '../trade/trading.js'

/** Who is logged in. */
export interface Session {
  readonly token: string
  readonly account: Account
}

/** What is known of who is logged in. */
export interface SessionState {
  /** Undefined while nobody is logged in, or that is being found out. */
  readonly session: Session | undefined
  /** Whether a token that a reload of the page has left is being looked at. */
  readonly isRestoring: boolean
  /** Why a session ended that the user has not ended. */
  readonly ended: string | undefined
}

/** Where the token outlives a reload of the page, and nothing else: it ends with the tab. */
const KEY = 'pricewire-token'

/** How long to wait before a token is looked at again, in milliseconds. */
const RETRY_AFTER = 2000

const NOBODY: SessionState = { session: undefined, isRestoring: false, ended: undefined }

let state = NOBODY
const listeners = new Set<() => void>()

function set(next: SessionState): void {
  state = next
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Returns what is known of who is logged in. */
export function useSession(): SessionState {
  return useSyncExternalStore(subscribe, () => state)
}

/** Begins a session; throws the error of the request where the server does not let it. */
export async function beginSession(accountId: string, password: string): Promise<void> {
  const token = await logIn(accountId, password)
  await enter(token)
}

/** Takes up the session that this tab had before it was reloaded. */
export async function restoreSession(): Promise<void> {
  const token = keep.read()
  if (token === undefined || state.session !== undefined || state.isRestoring) return
  set({ ...NOBODY, isRestoring: true })
  while (state.isRestoring) {
    try {
      await enter(token)
    } catch (error) {
      const isRefused = error instanceof RequestError && (error.status === 401 || error.status === 403)
      if (isRefused) endSession('Your session has ended. Log in again to trade.')
      else await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER))
    }
  }
}

/** Ends the session on this side; with a reason where it was not the user who ended it. */
export function endSession(ended?: string): void {
  keep.write(undefined)
  set({ ...NOBODY, ended })
}

/** Logs out: on this side at once, and at the server if it can be reached. */
export async function leaveSession(): Promise<void> {
  const token = state.session?.token
  endSession()
  // The token ends by itself in any case, and nobody has it any more.
  if (token !== undefined) await logOut(token).catch(() => {})
}

async function enter(token: string): Promise<void> {
  const accounts = await fetchAccounts(token, new AbortController().signal)
  const account = accounts.find(({ status }) => status === 'active') ?? accounts[0]
  if (account === undefined) throw new RequestError('there is no account behind this name', { status: 403 })
  keep.write(token)
  set({ session: { token, account }, isRestoring: false, ended: undefined })
}

const keep = {
  read(): string | undefined {
    try {
      return sessionStorage.getItem(KEY) ?? undefined
    } catch {
      return undefined // storage is forbidden: even to look at it throws
    }
  },
  write(token: string | undefined): void {
    try {
      if (token === undefined) sessionStorage.removeItem(KEY)
      else sessionStorage.setItem(KEY, token)
    } catch {
      // The session lasts as long as the page.
    }
  },
}
