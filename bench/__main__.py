"""`python -m bench`: run the benchmarks, print their tables and write their figures to `bench/results/`."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from bench import fanout, memory
from bench.machine import Placement
from bench.report import save, show

BENCHMARKS = ("fanout", "memory")


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
            if name == "fanout":
                report = fanout.run(placement, fanout.QUICK if arguments.quick else fanout.Settings(), status.update)
            else:
                report = memory.run(placement, memory.QUICK if arguments.quick else memory.Settings(), status.update)
        show(report, console)
        console.print(f"- written to {save(report, placement, quick=arguments.quick)}", highlight=False)


if __name__ == "__main__":
    main()
