/** A page of prices, one component for each instrument, that counts what it does. `?instruments=I000,I001` names them. */

import { createRoot } from 'react-dom/client'
import { useMarketSSE } from '../src/react.js'

const ids = (new URLSearchParams(location.search).get('instruments') ?? '').split(',')
const counts = { prices: 0, renders: 0 }
const onPrice = () => {
  counts.prices += 1
}

function Price({ id }: { id: string }) {
  const { price, isStale } = useMarketSSE(id, { onPrice })
  counts.renders += 1
  return (
    <tr style={{ opacity: isStale ? 0.5 : 1 }}>
      <th>{id}</th>
      <td>{price?.bid.toFixed(2)}</td>
      <td>{price?.ask.toFixed(2)}</td>
    </tr>
  )
}

Object.assign(window, { counts })
createRoot(document.body).render(
  <table>
    <tbody>
      {ids.map((id) => (
        <Price key={id} id={id} />
      ))}
    </tbody>
  </table>,
)
