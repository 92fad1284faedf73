// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PageWatch } from '../../src/lifecycle.js'

let seen: (string | undefined)[]
let watch: PageWatch

beforeEach(() => {
  vi.useFakeTimers()
  seen = []
  watch = new PageWatch(60_000, (reason) => seen.push(reason))
})

afterEach(() => {
  watch.end()
  hide(false)
  line(true)
  vi.useRealTimers()
})

function hide(isHidden: boolean): void {
  Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true })
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}

function line(isOn: boolean): void {
  Object.defineProperty(navigator, 'onLine', { value: isOn, configurable: true })
  dispatchEvent(new Event(isOn ? 'online' : 'offline'))
}

describe('PageWatch', () => {
  it('pauses when the page has been hidden for a while, and goes on when it is shown', () => {
    hide(true)
    vi.advanceTimersByTime(59_999)
    expect(seen).toEqual([])
    vi.advanceTimersByTime(1)
    expect(seen).toEqual(['hidden'])
    expect(watch.reason).toBe('hidden')
    hide(false)
    expect(seen).toEqual(['hidden', undefined])
  })

  it('does not pause when it is shown in time', () => {
    hide(true)
    vi.advanceTimersByTime(59_999)
    hide(false)
    vi.advanceTimersByTime(100_000)
    expect(seen).toEqual([])
  })

  it('acts on offline and online at once', () => {
    line(false)
    line(true)
    expect(seen).toEqual(['offline', undefined])
  })

  it('stays paused while it is hidden, also when it is online again', () => {
    hide(true)
    vi.advanceTimersByTime(60_000)
    line(false)
    line(true)
    expect(seen).toEqual(['hidden'])
    hide(false)
    expect(seen).toEqual(['hidden', undefined])
  })

  it('pauses at once for the back/forward cache, and goes on after it', () => {
    dispatchEvent(new Event('pagehide'))
    dispatchEvent(new Event('pageshow'))
    expect(seen).toEqual(['hidden', undefined])
  })

  it('pauses when it is frozen', () => {
    document.dispatchEvent(new Event('freeze', { bubbles: true }))
    document.dispatchEvent(new Event('resume', { bubbles: true }))
    expect(seen).toEqual(['hidden', undefined])
  })

  it('tells nothing after its end, and leaves no timer', () => {
    hide(true)
    watch.end()
    line(false)
    vi.advanceTimersByTime(100_000)
    expect(seen).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never pauses where it is told so', () => {
    const patient = new PageWatch(Number.POSITIVE_INFINITY, (reason) => seen.push(reason))
    watch.end()
    hide(true)
    expect(vi.getTimerCount()).toBe(0)
    patient.end()
  })

  it('begins offline where the browser is', () => {
    line(false)
    const late = new PageWatch(60_000, () => {})
    expect(late.reason).toBe('offline')
    late.end()
  })
})
