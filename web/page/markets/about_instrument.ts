import type { Instrument } from '../../src/pricewire.js'

/** Returns what an instrument is, in one sentence; undefined if the page does not know. */
export function aboutInstrument({ display_name, categories, is_predictable }: Instrument): string | undefined {
  const [, percent] = /^Volatility (\d+) /.exec(display_name) ?? []
  if (percent === undefined || !categories.includes('Volatility')) return undefined
  const pace = display_name.includes('(1s)') ? 'every second' : 'every two seconds'
  const source = is_predictable ? 'simulated from a seed' : 'simulated, and independent of any real market'
  return `A price that moves with a volatility of ${percent} % a year, ${pace}, day and night: ${source}.`
}
