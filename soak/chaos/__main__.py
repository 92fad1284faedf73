"""`python -m soak.chaos`: an hour of faults among servers, gateways and NATS, and what came of it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from bench.machine import raise_file_limit
from bench.servers import postgres

from soak.chaos.run import Settings, run

USUAL = Settings()


def main() -> None:
    """Run what the command line says; the status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m soak.chaos", description="Trouble servers, gateways and NATS, and audit every event.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--nodes", type=int, choices=[1, 3], default=USUAL.nodes, help="NATS servers")
    parser.add_argument("--servers", type=int, default=USUAL.servers, help="processes with the market and trading, of which one serves")
    parser.add_argument("--trading", type=int, default=USUAL.trading, help="processes that share trading; the servers have the market then")
    parser.add_argument("--gateways", type=int, default=USUAL.gateways)
    parser.add_argument("--tick-readers", type=int, default=USUAL.tick_readers)
    parser.add_argument("--account-readers", type=int, default=USUAL.account_readers, help="readers of positions and balances")
    parser.add_argument("--traders", type=int, default=USUAL.traders)
    parser.add_argument("--seed", type=int, default=USUAL.seed)
    arguments = parser.parse_args()
    if reason := postgres.missing():
        sys.exit(reason)
    # As Ctrl-C does, so that no process is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    raise_file_limit(10_000)
    options = vars(arguments)
    settings = Settings(seconds=60 * options.pop("minutes"), **options)
    result = asyncio.run(run(settings, lambda text: print(text, flush=True), keep=True))
    for line in result.lines():
        print(line)
    for each in result.wrong[:50]:
        print(each)
    sys.exit(f"{len(result.wrong)} things were wrong" if result.wrong else 0)


if __name__ == "__main__":
    main()
