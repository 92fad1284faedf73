import type { Instrument } from '../../src/pricewire.js'
import { texts } from '../texts/language.js'

/** Returns what an instrument is, in one sentence; undefined if the page does not know. */
export function aboutInstrument({ display_name, categories, is_predictable }: Instrument): string | undefined {
  const [, percent] = /^Volatility (\d+) /.exec(display_name) ?? []
  if (percent === undefined || !categories.includes('Volatility')) return undefined
  return texts.markets.volatility(percent, display_name.includes('(1s)'), is_predictable)
}
