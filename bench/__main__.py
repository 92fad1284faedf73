"""`python -m bench`: run the benchmarks, print their tables and write their figures to `bench/results/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from rich.console import Console

from bench import compression, fanout, idle, memory, slow_link, slow_readers, storm, trading_floor
from bench.machine import Placement
from bench.report import Progress, Report, save, show

Run = Callable[[Placement, Progress, bool], Report]
"""Called with whether only to see that it works."""

BENCHMARKS: dict[str, Run] = {
    "fanout": lambda placement, progress, quick: fanout.run(placement, fanout.QUICK if quick else fanout.Settings(), progress),
    "memory": lambda placement, progress, quick: memory.run(placement, memory.QUICK if quick else memory.Settings(), progress),
    "trading_floor": lambda placement, progress, quick: trading_floor.run(
        placement, trading_floor.QUICK if quick else trading_floor.Settings(), progress
    ),
    "slow_link": lambda placement, progress, quick: slow_link.run(placement, slow_link.QUICK if quick else slow_link.Settings(), progress),
    "compression": lambda placement, progress, quick: compression.run(
        placement, compression.QUICK if quick else compression.Settings(), progress
    ),
    "storm": lambda placement, progress, quick: storm.run(placement, storm.QUICK if quick else storm.Settings(), progress),
    "slow_readers": lambda placement, progress, quick: slow_readers.run(
        placement, slow_readers.QUICK if quick else slow_readers.Settings(), progress
    ),
    "idle": lambda placement, progress, quick: idle.run(placement, idle.QUICK if quick else idle.Settings(), progress),
}


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Pricewire beside its peers.")
    parser.add_argument("benchmark", nargs="?", choices=BENCHMARKS, help="which; without one, all of them")
    parser.add_argument("--quick", action="store_true", help="few streams, one round: whether it works, not how fast it is")
    arguments = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("the benchmarks read Linux's /proc and use its epoll")
    console = Console()
    placement = Placement.choose()
    placement.pin_readers()
    for name in [arguments.benchmark] if arguments.benchmark else BENCHMARKS:
        with console.status(name) as status:
            report = BENCHMARKS[name](placement, status.update, arguments.quick)
        show(report, console)
        console.print(f"- written to {save(report, placement, quick=arguments.quick)}", highlight=False)


if __name__ == "__main__":
    main()
