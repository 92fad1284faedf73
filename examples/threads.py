"""
Prices in threads, without await: one thread for each instrument, over one connection.

    pricewire serve
    python examples/threads.py http://127.0.0.1:8080
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from pricewire import sync

COUNT = 5


def follow(wire: sync.Wire, instrument_id: str) -> str:
    """Return how an instrument's price moves over some ticks."""
    ticks = wire.ticks(instrument_id).collect(COUNT)
    return f"{instrument_id}: {ticks[0].price} to {ticks[-1].price} in {len(ticks)} ticks"


def main(url: str) -> None:
    """Follow three instruments at the same time."""
    with sync.connect(url) as wire, ThreadPoolExecutor() as threads:
        for line in threads.map(lambda name: follow(wire, name), ("R_10", "R_50", "R_100")):
            print(line)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
