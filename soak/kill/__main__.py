"""`python -m soak.kill`: trades on a server that is killed, stopped and lied to, and computes every outcome again."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from bench.servers import postgres

from soak.kill.run import Settings, run


def main() -> None:
    """Run what the command line says; the status is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m soak.kill", description="Kill a trading server until so many contracts are settled.")
    parser.add_argument("--contracts", type=int, default=5000, help="how many are to be settled on each database")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="only this one")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    # As Ctrl-C does, so that no server is left running.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    databases = [arguments.database] if arguments.database else ["sqlite", "postgresql"]
    found = []
    for database in databases:
        if database == "postgresql" and (reason := postgres.missing()):
            print(f"PostgreSQL is left out: {reason}")
            continue
        settings = Settings(arguments.contracts, database, arguments.seed)
        result = asyncio.run(run(settings, lambda text: print(text, flush=True), keep=True))
        print(database)
        for line in result.lines():
            print(f"  {line}")
        found += [f"{database}: {each}" for each in result.wrong]
    for each in found[:50]:
        print(each)
    sys.exit(f"{len(found)} things were wrong" if found else 0)


if __name__ == "__main__":
    main()
