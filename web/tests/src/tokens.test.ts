import { describe, expect, it, vi } from 'vitest'
import { Credentials, claimsOf, exchangeAt } from '../../src/tokens.js'
import { jwt } from '../pricewire.js'

const seconds = (ms: number) => Math.floor(ms / 1000)

describe('Credentials', () => {
  it('asks the provider once for all who wait', async () => {
    const provider = vi.fn(async () => `t${provider.mock.calls.length}`)
    const credentials = new Credentials(provider)
    expect(await Promise.all([credentials.get(), credentials.get()])).toEqual(['t1', 't1'])
    expect(await Promise.all([credentials.refresh('t1'), credentials.refresh('t1')])).toEqual(['t2', 't2'])
    expect(await credentials.refresh('t1')).toBe('t2') // which has been replaced since
    expect(provider).toHaveBeenCalledTimes(2)
  })

  it('exchanges a token that is about to expire', async () => {
    const exp = seconds(Date.now()) + 10
    const tokens = [jwt({ exp, iat: exp - 3600 }), jwt({ exp: exp + 3600 })]
    const credentials = new Credentials(() => tokens.shift() ?? '')
    await credentials.get()
    expect(exchangeAt(await credentials.get())).toBe((exp + 3600) * 1000 - 30_000)
    expect(tokens).toEqual([])
  })

  it('has no other token than the one that it was given', async () => {
    const credentials = new Credentials('t')
    expect(await credentials.get()).toBe('t')
    expect(await credentials.refresh('t')).toBe('t')
  })

  it('asks again after a provider that failed', async () => {
    const provider = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new Error('no')).mockResolvedValue('t')
    const credentials = new Credentials(provider)
    await expect(credentials.get()).rejects.toThrow('no')
    expect(await credentials.get()).toBe('t')
  })
})

describe('exchangeAt', () => {
  it('leaves a margin, of a short life the last tenth', () => {
    expect(exchangeAt(jwt({ exp: 1000 }))).toBe(1_000_000 - 30_000)
    expect(exchangeAt(jwt({ exp: 1000, iat: 980 }))).toBe(1_000_000 - 2000)
  })

  it.each(['', 'abc', 'a.b.c', jwt({}), jwt({ exp: 'soon' }), 'e30.bnVsbA.x'])('is never for %j', (token) => {
    expect(exchangeAt(token)).toBe(Number.POSITIVE_INFINITY)
  })
})

it('reads claims in the alphabet of URLs', () => {
  expect(claimsOf(jwt({ account: '>>>???' }))).toEqual({ account: '>>>???' })
})
