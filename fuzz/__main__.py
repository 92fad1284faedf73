"""`python -m fuzz TARGET --runs N`: run one target, guided by coverage; without a target, all of them one after the other."""

from __future__ import annotations

import argparse
import importlib
import logging
import subprocess
import sys
import time
from pathlib import Path

from fuzz.targets import TARGETS

FOLDER = Path(__file__).parent

WORK = FOLDER.parent / ".fuzz"
"""Where the inputs are that reached something new; they stay on the machine, and the next run begins with them."""

INSTRUMENTED = ["pricewire", "uvicorn.protocols", "jwt", "cyclopts.config", "fuzz.targets"]
"""What is watched for new paths."""


def fuzz(target: str, runs: int, seconds: int) -> None:
    """Run one target in this process, which ends with it: with status 0 where nothing was found."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore] # here, as the rest is of use without it

    with atheris.instrument_imports(include=INSTRUMENTED):
        check = importlib.import_module(f"fuzz.targets.{target}").check
    # Refused rows are logged by the thousand. A target that looks at what is logged has a handler of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    corpus, work = FOLDER / "corpus" / target, WORK / target
    for folder in (corpus, work):
        folder.mkdir(parents=True, exist_ok=True)
    dictionary = FOLDER / "dictionaries" / f"{target}.dict"
    options = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        f"-max_len={TARGETS[target].max_size}",
        f"-artifact_prefix={corpus}/",
        "-timeout=30",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        *([f"-dict={dictionary}"] if dictionary.exists() else []),
    ]
    atheris.Setup([f"fuzz {target}", *options, str(work), str(corpus)], check)
    atheris.Fuzz()


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Feed hostile inputs to what reads them.")
    parser.add_argument("target", nargs="?", choices=TARGETS, help="which; without one, all of them")
    parser.add_argument("--runs", type=int, default=0, help="how many inputs; without it, as many as each target does in a minute")
    arguments = parser.parse_args()
    if arguments.target is not None:
        fuzz(arguments.target, arguments.runs or -1, 0 if arguments.runs else 60)
    failed = []
    for target in TARGETS:
        began = time.monotonic()
        ended = subprocess.run([sys.executable, "-m", "fuzz", target, "--runs", str(arguments.runs)], cwd=FOLDER.parent, check=False)
        print(f"{target}: {'nothing found' if ended.returncode == 0 else 'FOUND something'}, {time.monotonic() - began:.0f} s", flush=True)
        if ended.returncode != 0:
            failed.append(target)
    if failed:
        sys.exit(f"found something: {', '.join(failed)}; the inputs are in fuzz/corpus, and the tests run them from now on")


if __name__ == "__main__":
    main()
