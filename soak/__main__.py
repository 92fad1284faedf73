"""`python -m soak`: an hour of hostile readers among well-behaved ones, and what came of it."""

from __future__ import annotations

import argparse
import asyncio
import sys

from soak.run import Settings, run


def main() -> None:
    """Run what the command line says; the status is 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m soak", description="Audit well-behaved readers among hostile ones.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--good", type=int, default=200, help="well-behaved readers")
    parser.add_argument("--hostile", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    settings = Settings(arguments.minutes * 60, arguments.good, arguments.hostile, arguments.seed)
    result = asyncio.run(run(settings, lambda text: print(text, flush=True)))
    for line in result.lines():
        print(line)
    broken = result.broken(judge_lateness=True)
    sys.exit("BROKEN: " + "; ".join(broken) if broken else 0)


if __name__ == "__main__":
    main()
