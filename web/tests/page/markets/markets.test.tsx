// @vitest-environment happy-dom
import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FlashingPrice } from '../../../page/markets/flashing_price.js'
import { Markets } from '../../../page/markets/markets.js'
import { open, TestServer } from '../../server.js'

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true

const INSTRUMENTS = [
  {
    id: 'R_100',
    display_name: 'Volatility 100 Index',
    categories: ['Synthetic Index', 'Volatility'],
    pip_size: 2,
    is_market_open: true,
  },
  {
    id: 'R_50',
    display_name: 'Volatility 50 Index',
    categories: ['Synthetic Index', 'Volatility'],
    pip_size: 4,
    is_market_open: true,
  },
  { id: 'EURUSD', display_name: 'EUR/USD', categories: ['Forex'], pip_size: 5, is_market_open: false },
].map((instrument) => ({ ...instrument, opens_at: null, closes_at: null, is_predictable: false }))

let root: Root
let element: HTMLElement
let server: TestServer
beforeEach(async () => {
  server = await new TestServer((_, response, count) => {
    open(response)
    for (const topic of server.query(count).getAll('topic')) {
      const data = { instrument_id: topic.slice(6), epoch_ms: '0', price: '2', bid: '1', ask: '3' }
      response.write(`data: ${JSON.stringify({ event: 'tick', subscription_id: topic, seq: 1, data })}\n\n`)
    }
  }).start()
  ;(window as unknown as { happyDOM: { setURL(url: string): void } }).happyDOM.setURL(server.url)
  element = document.body.appendChild(document.createElement('div'))
  root = createRoot(element)
})
afterEach(async () => {
  act(() => root.unmount())
  element.remove()
  await server.stop()
})

const rows = () =>
  [...element.querySelectorAll<HTMLElement>('[data-instrument]')].map((row) => row.dataset['instrument'])
const press = (key: string) =>
  act(() =>
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })),
  )

function type(text: string): void {
  const input = element.querySelector('input')
  // As the browser does it, past React's own setter.
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, text)
  act(() => input?.dispatchEvent(new Event('input', { bubbles: true })))
}

it('says where prices can be foreseen', async () => {
  const hint = () => element.querySelector('.list > .hint')?.textContent
  act(() => root.render(<Markets instruments={INSTRUMENTS} chosen="R_50" onChoose={() => {}} />))
  expect(hint()).toBeUndefined()
  const seeded = INSTRUMENTS.map((instrument) => ({ ...instrument, is_predictable: true }))
  act(() => root.render(<Markets instruments={seeded} chosen="R_50" onChoose={() => {}} />))
  expect(hint()).toBe('Simulated from a seed: prices can be foreseen.')
  // Left while it connects, the stream would be reset.
  const price = () => element.querySelectorAll('[data-price="price"]')[2]?.textContent
  await act(() => vi.waitFor(() => expect(price()).toBe('price 2.00000')))
})

it('groups by category, searches names, ids and categories, and is used with the keyboard', async () => {
  const choose = vi.fn()
  act(() => root.render(<Markets instruments={INSTRUMENTS} chosen="R_50" onChoose={choose} />))
  await act(() =>
    vi.waitFor(() => expect(element.querySelectorAll('[data-price="price"]')[2]?.textContent).toBe('price 2.00000')),
  )
  expect([...element.querySelectorAll('h2')].map(({ textContent }) => textContent)).toEqual([
    'Synthetic Index · Volatility 2',
    'Forex 1',
  ])
  expect(rows()).toEqual(['R_100', 'R_50', 'EURUSD'])
  expect(element.querySelector('[aria-current="true"]')?.textContent).toContain('Volatility 50 Index')
  expect(element.querySelector('[data-instrument="EURUSD"]')?.textContent).toContain('closed')

  press('/')
  expect(document.activeElement).toBe(element.querySelector('input'))
  type('index 100')
  expect(rows()).toEqual(['R_100'])
  type('FOREX')
  expect(rows()).toEqual(['EURUSD'])
  type('nothing')
  expect(element.textContent).toContain('No instrument matches “nothing”.')
  press('Escape')
  expect(rows()).toHaveLength(3)

  press('ArrowDown')
  press('ArrowDown')
  expect((document.activeElement as HTMLElement).dataset['instrument']).toBe('R_50')
  act(() => (document.activeElement as HTMLElement).click())
  expect(choose).toHaveBeenCalledWith('R_50')
  press('ArrowUp')
  press('ArrowUp')
  expect(document.activeElement).toBe(element.querySelector('input'))
})

it('puts favourites first, and sorts', async () => {
  act(() => root.render(<Markets instruments={INSTRUMENTS} chosen="R_50" onChoose={() => {}} />))
  const star = (name: string) => element.querySelector<HTMLElement>(`[aria-label="Favourite: ${name}"]`)
  act(() => star('EUR/USD')?.click())
  expect(rows()).toEqual(['EURUSD', 'R_100', 'R_50'])
  expect(star('EUR/USD')?.getAttribute('aria-pressed')).toBe('true')
  act(() => star('EUR/USD')?.click())
  expect(rows()).toEqual(['R_100', 'R_50', 'EURUSD'])
  const order = element.querySelector('select')
  act(() => {
    if (order !== null) order.value = 'name'
    order?.dispatchEvent(new Event('change', { bubbles: true }))
  })
  expect(rows()).toEqual(['EURUSD', 'R_50', 'R_100'])
  await act(() =>
    vi.waitFor(() => expect(element.querySelectorAll('[data-price="price"]')[2]?.textContent).toBe('price 2.00')),
  )
})

it('flashes the way that a price moved, anew with each movement', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const show = (value: number | undefined) => {
    act(() => root.render(<FlashingPrice value={value} decimals={2} label="bid" name="bid" />))
    const price = element.querySelector<HTMLElement>('.price')
    return [price?.className.replace('price', '').trim(), price?.dataset['flash']]
  }
  try {
    expect(show(undefined)).toEqual(['', undefined])
    expect(show(1)).toEqual(['', undefined])
    expect(show(2)).toEqual(['flash-up', 'standing'])
    vi.advanceTimersByTime(499)
    expect(show(3)).toEqual(['flash-up', 'standing'])
    vi.advanceTimersByTime(499)
    expect(show(3)).toEqual(['flash-up', 'standing'])
    vi.advanceTimersByTime(1)
    expect(show(3)).toEqual(['flash-up', 'fading'])
    expect(show(2.5)).toEqual(['flash-down', 'standing'])
    expect(element.textContent).toBe('bid 2.50')
  } finally {
    vi.useRealTimers()
  }
})
