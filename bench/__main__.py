"""`python -m bench`: run the benchmarks, print their tables and write their figures to `bench/results/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from rich.console import Console

from bench import (
    browser,
    bus,
    client,
    compare,
    compression,
    decoder,
    edge,
    fanout,
    history,
    http2,
    idle,
    latency,
    memory,
    mercure,
    positions,
    pricing,
    publish,
    purchases,
    quotes,
    restart,
    simulated,
    slow_link,
    slow_readers,
    storm,
    tls,
    trading_floor,
    trading_page,
    wire,
)
from bench.machine import Placement, PlacementError
from bench.report import Progress, Report, save, show

Run = Callable[[Placement, Progress, argparse.Namespace], Report]
"""Called with what the command line says."""

BENCHMARKS: dict[str, Run] = {
    "fanout": lambda placement, progress, options: fanout.run(placement, fanout.QUICK if options.quick else fanout.Settings(), progress),
    "memory": lambda placement, progress, options: memory.run(placement, memory.QUICK if options.quick else memory.Settings(), progress),
    "trading_floor": lambda placement, progress, options: trading_floor.run(
        placement, trading_floor.QUICK if options.quick else trading_floor.Settings(), progress
    ),
    "latency": lambda placement, progress, options: latency.run(
        placement, latency.QUICK if options.quick else latency.Settings(), progress
    ),
    "slow_link": lambda placement, progress, options: slow_link.run(
        placement, slow_link.QUICK if options.quick else slow_link.Settings(round(options.minutes * 60)), progress
    ),
    "compression": lambda placement, progress, options: compression.run(
        placement, compression.QUICK if options.quick else compression.Settings(), progress
    ),
    "tls": lambda placement, progress, options: tls.run(placement, fanout.QUICK if options.quick else fanout.Settings(), progress),
    "http2": lambda placement, progress, options: http2.run(placement, fanout.QUICK if options.quick else fanout.Settings(), progress),
    "mercure": lambda placement, progress, options: mercure.run(
        placement, mercure.QUICK if options.quick else mercure.Settings(), progress
    ),
    "wire": lambda placement, progress, options: wire.run(placement, wire.QUICK if options.quick else wire.Settings(), progress),
    "storm": lambda placement, progress, options: storm.run(placement, storm.QUICK if options.quick else storm.Settings(), progress),
    "restart": lambda placement, progress, options: restart.run(
        placement, restart.QUICK if options.quick else restart.Settings(), progress
    ),
    "bus": lambda placement, progress, options: bus.run(placement, bus.QUICK if options.quick else bus.Settings(), progress),
    "slow_readers": lambda placement, progress, options: slow_readers.run(
        placement, slow_readers.QUICK if options.quick else slow_readers.Settings(), progress
    ),
    "client": lambda placement, progress, options: client.run(placement, client.QUICK if options.quick else client.Settings(), progress),
    "browser": lambda placement, progress, options: browser.run(
        placement, browser.QUICK if options.quick else browser.Settings(), progress
    ),
    "page": lambda placement, progress, options: trading_page.run(
        placement, trading_page.QUICK if options.quick else trading_page.Settings(heap_minutes=options.minutes), progress
    ),
    "decoder": lambda placement, progress, options: decoder.run(
        placement, decoder.QUICK if options.quick else decoder.Settings(), progress
    ),
    "pricing": lambda placement, progress, options: pricing.run(
        placement, pricing.QUICK if options.quick else pricing.Settings(), progress
    ),
    "simulated": lambda placement, progress, options: simulated.run(
        placement, simulated.QUICK if options.quick else simulated.Settings(), progress
    ),
    "positions": lambda placement, progress, options: positions.run(
        placement, positions.QUICK if options.quick else positions.Settings(), progress
    ),
    "purchases": lambda placement, progress, options: purchases.run(
        placement, purchases.QUICK if options.quick else purchases.Settings(), progress
    ),
    "publish": lambda placement, progress, options: publish.run(
        placement, publish.QUICK if options.quick else publish.Settings(), progress
    ),
    "quotes": lambda placement, progress, options: quotes.run(placement, quotes.QUICK if options.quick else quotes.Settings(), progress),
    "edge": lambda placement, progress, options: edge.run(
        placement, edge.QUICK if options.quick else edge.Settings(options.purchases), progress
    ),
    "history": lambda placement, progress, options: history.run(
        placement, history.QUICK if options.quick else history.Settings(), progress
    ),
    "compare": lambda placement, progress, options: compare.run(placement, compare.QUICK if options.quick else compare.FULL, progress),
    "idle": lambda placement, progress, options: idle.run(placement, idle.QUICK if options.quick else idle.Settings(), progress),
}


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Pricewire beside its peers.")
    parser.add_argument("benchmark", nargs="?", choices=BENCHMARKS, help="which; without one, all of them")
    parser.add_argument("--cores", type=int, default=1, help="how many cores each server has; the readers have the others")
    parser.add_argument("--quick", action="store_true", help="few streams, one round: whether it works, not how fast it is")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long slow_link takes, and how long page watches the memory")
    parser.add_argument("--purchases", type=int, default=40, help="how many contracts of each strategy edge buys on each feed")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("the benchmarks read Linux's /proc and use its epoll")
    console = Console()
    try:
        placement = Placement.choose(arguments.cores)
    except PlacementError as error:
        sys.exit(str(error))
    placement.pin_readers()
    # What `compare` measures, others have in full.
    for name in [arguments.benchmark] if arguments.benchmark else [name for name in BENCHMARKS if name != "compare"]:
        with console.status(name) as status:
            report = BENCHMARKS[name](placement, status.update, arguments)
        show(report, console)
        console.print(f"- written to {save(report, placement, quick=arguments.quick)}", highlight=False)


if __name__ == "__main__":
    main()
