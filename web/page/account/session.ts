import { useSyncExternalStore } from 'react'
import type { AccountBody, AccountsBody, LoggedOut, LoginBody, LoginRequest } from '../../src/schema.js'
import { RequestError, request, requestData } from '../requests.js'
import { texts } from '../texts/language.js'

/** The logged-in account and its token. */
export interface Session {
  readonly token: string
  readonly account: AccountBody
}

/** Whether somebody is logged in. */
export interface SessionState {
  /** Undefined while nobody is logged in, or while a session is being restored. */
  readonly session: Session | undefined
  /** Whether the token from before a reload is being checked. */
  readonly isRestoring: boolean
  /** Whether the server has ended the session, and not the user. */
  readonly isRefused: boolean
}

/** The key of the token in `sessionStorage`: it survives a reload of the page, and is gone when the tab is closed. */
const KEY = 'pricewire-token'

/** The wait before the token is checked again, in milliseconds. */
const RETRY_AFTER = 2000

const NOBODY: SessionState = { session: undefined, isRestoring: false, isRefused: false }

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

/** Returns the current session. */
export function useSession(): SessionState {
  return useSyncExternalStore(subscribe, () => state)
}

/** Logs in. Throws the error of the request if the server refuses. */
export async function beginSession(accountId: string, password: string): Promise<void> {
  const body: LoginRequest = { account_id: accountId, password }
  const { token } = await request<LoginBody>('/login', { body })
  await enter(token)
}

/** Restores the session that this tab had before the page was reloaded. */
export async function restoreSession(): Promise<void> {
  const token = stored.read()
  if (token === undefined || state.session !== undefined || state.isRestoring) return
  set({ ...NOBODY, isRestoring: true })
  while (state.isRestoring) {
    try {
      await enter(token)
    } catch (error) {
      const isRefused = error instanceof RequestError && (error.status === 401 || error.status === 403)
      if (isRefused) endSession('refused')
      else await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER))
    }
  }
}

/** Ends the session in this page; `refused`: by the server, which the page then says. */
export function endSession(by: 'user' | 'refused'): void {
  stored.write(undefined)
  set({ ...NOBODY, isRefused: by === 'refused' })
}

/** Logs out: in this page at once, and at the server if it can be reached. */
export async function leaveSession(): Promise<void> {
  const token = state.session?.token
  endSession('user')
  if (token === undefined) return
  // If this fails: nobody has the token any more, and it expires by itself.
  await requestData<LoggedOut>('/v1/logout', { method: 'POST', token }).catch(() => {})
}

async function enter(token: string): Promise<void> {
  const { accounts } = await requestData<AccountsBody>('/v1/accounts', { token })
  const account = accounts.find(({ status }) => status === 'active') ?? accounts[0]
  if (account === undefined) throw new RequestError(texts.errors.noAccount, { status: 403 })
  stored.write(token)
  set({ session: { token, account }, isRestoring: false, isRefused: false })
}

const stored = {
  read(): string | undefined {
    try {
      return sessionStorage.getItem(KEY) ?? undefined
    } catch {
      return undefined // where the browser forbids storage, even reading the property `sessionStorage` throws
    }
  },
  write(token: string | undefined): void {
    try {
      if (token === undefined) sessionStorage.removeItem(KEY)
      else sessionStorage.setItem(KEY, token)
    } catch {
      // The session lasts until the page is reloaded.
    }
  },
}
