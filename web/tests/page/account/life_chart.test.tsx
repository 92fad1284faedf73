import { renderToStaticMarkup } from 'react-dom/server'
import { expect, it } from 'vitest'
import { LifeChart } from '../../../page/account/life_chart.js'

it.each([
  ['the highest price', 1910],
  ['the lowest price', 1890],
  ['a price between', 1900],
])('writes the name of a barrier that is %s inside the chart', (_, barrier) => {
  const ticks = ['1892', '1908'].map((price, place) => ({ epochMs: 1000 * place, price }))
  const drawn = renderToStaticMarkup(<LifeChart ticks={ticks} barrier={barrier} direction="up" />)
  const [, y] = /<text [^>]*y="([\d.-]+)"/.exec(drawn) ?? []
  // The letters are ten units high, above their line.
  expect(Number(y)).toBeGreaterThanOrEqual(10)
  expect(Number(y)).toBeLessThanOrEqual(150)
})
