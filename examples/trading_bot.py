"""
Trade on the demo account: wait for an offer that pays enough, buy it, follow the position to its end, print the balance.

    pricewire serve
    python examples/trading_bot.py http://127.0.0.1:8080
"""

import asyncio
import sys
from decimal import Decimal

import pricewire

CONTRACT = pricewire.ProposalTopic("rise_fall", "1HZ100V", 5, "ticks", Decimal("10.00"), allow_equals=False)
LEAST_PAYOUT = Decimal("19.00")


async def find_payout(wire: pricewire.Wire) -> Decimal:
    """Return the first payout that is high enough."""
    async with wire.proposal(CONTRACT) as quotes:
        async for quote in quotes:
            offer = next(each.contract_details for each in quote.variants if each.variant == "rise")
            print(f"at {offer.pricing_spot}, {offer.stake} would pay {offer.payout}")
            if offer.payout >= LEAST_PAYOUT:
                return offer.payout
    raise SystemExit("the server has ended the stream")


async def main(url: str) -> None:
    """Trade once."""
    login = await pricewire.log_in(url, "demo", "demo")
    async with pricewire.connect(url, token=login) as wire, wire.contracts() as changes:
        bought = await wire.buy(CONTRACT, "rise", payout=await find_payout(wire))
        async for change in changes:
            if change.data.contract_id == bought.contract_id:
                details = change.data.contract_details
                print(f"{change.event}: worth {details.bid_price}, profit {details.profit_loss}")
                if change.event == "contract_settled":
                    break
        print(f"balance: {(await wire.balance().snapshot()).balance}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"))
