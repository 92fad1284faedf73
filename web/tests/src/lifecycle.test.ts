// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type PageWatch, watchPage } from '../../src/lifecycle.js'

let seen: (string | undefined)[]
let wakes: number
let watch: PageWatch

beforeEach(() => {
  vi.useFakeTimers()
  seen = []
  wakes = 0
  watch = watchPage(
    {},
    (reason) => seen.push(reason),
    () => {
      wakes += 1
    },
  )
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

describe('watchPage', () => {
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
    const patient = watchPage(
      { hiddenAfter: Number.POSITIVE_INFINITY },
      (reason) => seen.push(reason),
      () => {},
    )
    watch.end()
    hide(true)
    expect(vi.getTimerCount()).toBe(0)
    patient.end()
  })

  it('begins offline where the browser is', () => {
    line(false)
    const late = watchPage(
      {},
      () => {},
      () => {},
    )
    expect(late.reason).toBe('offline')
    late.end()
  })

  it.each(['focus', 'online', 'pageshow', 'resume'])('wakes what waits at the event %s', (type) => {
    dispatchEvent(new Event(type))
    expect([seen, wakes]).toEqual([[], 1])
  })

  it('wakes what waits when the page is shown, and not when it is hidden', () => {
    hide(true)
    expect(wakes).toBe(0)
    hide(false)
    expect([seen, wakes]).toEqual([[], 1])
  })

  it('wakes what waits when a hidden page is online again, as it may be there to ring', () => {
    hide(true)
    dispatchEvent(new Event('online'))
    expect(wakes).toBe(1)
  })

  it('is not woken by the focus of a field, while it pauses, or after its end', () => {
    const field = document.body.appendChild(document.createElement('input'))
    field.dispatchEvent(new Event('focus'))
    line(false)
    dispatchEvent(new Event('focus'))
    watch.end()
    line(true)
    dispatchEvent(new Event('focus'))
    field.remove()
    expect([seen, wakes]).toEqual([['offline'], 0])
  })

  it('watches something else than a page, where it is told to', () => {
    const app = Object.assign(new EventTarget(), { hidden: false })
    const other: (string | undefined)[] = []
    const watching = watchPage(
      { hiddenAfter: 1000, visibility: app },
      (reason) => other.push(reason),
      () => other.push('wake'),
    )
    const be = (hidden: boolean) => {
      app.hidden = hidden
      app.dispatchEvent(new Event('visibilitychange'))
    }
    be(true)
    vi.advanceTimersByTime(1000)
    hide(true)
    be(false)
    expect(other).toEqual(['hidden', undefined, 'wake'])
    watching.end()
    be(true)
    vi.advanceTimersByTime(1000)
    expect(other).toHaveLength(3)
  })
})
