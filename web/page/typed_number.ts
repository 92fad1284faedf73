import { texts } from './texts/language.js'

/** Returns the characters that separate thousands and decimals in the page's language. */
function separators(): { group: string; decimal: string } {
  const parts = new Intl.NumberFormat(texts.locale).formatToParts(12_345.6)
  const find = (type: string) => parts.find((part) => part.type === type)?.value ?? ''
  return { group: find('group'), decimal: find('decimal') }
}

/**
 * Returns a number that the user typed as the server writes it: `1,000.5` or, where the language has a decimal comma, `1.000,5` as `1000.5`;
 * undefined if it is none. A sign stays.
 */
export function readNumber(text: string): string | undefined {
  const { group, decimal } = separators()
  const typed = text.trim().replace('−', '-')
  const [whole = '', ...rest] = typed.split(decimal)
  // Groups of three after a first digit that is not zero: `1.000` may be a thousand, `0.001` never is one.
  const isGrouped = /^[+-]?[1-9]\d{0,2}$/.test(whole.split(group)[0] ?? '') && /^(\D?\d+)(\D\d{3})+$/.test(whole)
  const joined = [isGrouped ? whole.replaceAll(group, '') : whole, ...rest].join('.')
  return /^[+-]?\d{1,12}(\.\d+)?$/.test(joined) ? joined : undefined
}

/** Returns a number as the user would type it, without separated thousands. */
export function writeNumber(value: string | number): string {
  return String(value).replace('.', separators().decimal)
}
