/** A program that receives what the page receives. */
export interface Snippet {
  readonly name: string
  readonly code: string
}

/**
 * Returns programs that subscribe to an instrument's prices, for a terminal, Python and React, and the element that shows them in any page.
 *
 * @param origin - of the server, such as `http://127.0.0.1:8080`.
 */
export function snippetsFor(origin: string, instrumentId: string): Snippet[] {
  const topic = `ticks:${instrumentId}`
  return [
    { name: 'curl', code: `curl -N '${origin}/sse?topic=${encodeURIComponent(topic)}'` },
    {
      name: 'Python',
      code: `import asyncio

import pricewire


async def main() -> None:
    async with pricewire.connect(${JSON.stringify(origin)}) as wire:
        async for tick in wire.ticks(${JSON.stringify(instrumentId)}):
            print(tick.instrument_id, tick.price)


asyncio.run(main())`,
    },
    {
      name: 'React',
      code: `import { useMarketSSE } from 'pricewire/react'

export function Price() {
  const { price } = useMarketSSE(${JSON.stringify(instrumentId)}, { baseUrl: ${JSON.stringify(origin)} })
  return <output>{price?.price ?? '…'}</output>
}`,
    },
    {
      name: 'HTML',
      code: `<iframe src="${origin}/embed/${encodeURIComponent(instrumentId)}" width="640" height="460" style="border: 0" title="Live price"></iframe>`,
    },
  ]
}
