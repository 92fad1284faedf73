import { describe, expect, it, vi } from 'vitest'
import { Credentials, claimsOf } from '../../src/tokens.js'
import { jwt } from '../pricewire.js'

describe('Credentials', () => {
  it('asks the provider once for all who wait', async () => {
    const provider = vi.fn(async () => `t${provider.mock.calls.length}`)
    const credentials = new Credentials(provider)
    expect(await Promise.all([credentials.get(), credentials.get()])).toEqual(['t1', 't1'])
    expect(await Promise.all([credentials.refresh('t1'), credentials.refresh('t1')])).toEqual(['t2', 't2'])
    expect(await credentials.refresh('t1')).toBe('t2') // which has been replaced since
    expect(provider).toHaveBeenCalledTimes(2)
  })

  it('replaces a token when its life is nearly over, whatever the clock says', async () => {
    vi.useFakeTimers({ now: 0 })
    // By this clock it has been issued in the future.
    const [first, second] = [jwt({ iat: 5000, exp: 8600 }), jwt({ iat: 5000 })]
    const tokens = [first, second]
    const credentials = new Credentials(() => tokens.shift() ?? '')
    expect(await credentials.get()).toBe(first)
    expect(credentials.renewAt).toBe(3_570_000)
    vi.setSystemTime(3_569_999)
    expect(await credentials.get()).toBe(first)
    vi.setSystemTime(3_570_000)
    expect(await credentials.get()).toBe(second)
    expect(credentials.renewAt).toBe(Number.POSITIVE_INFINITY)
    vi.useRealTimers()
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

it.each(['', 'abc', 'a.b.c', 'e30.bnVsbA.x'])('reads no claims of %j', (token) => {
  expect(claimsOf(token)).toEqual({})
})

it('reads claims in the alphabet of URLs', () => {
  expect(claimsOf(jwt({ account: '>>>???' }))).toEqual({ account: '>>>???' })
})
