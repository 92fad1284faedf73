"""The command line, run as a user runs it, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PLACE = tempfile.TemporaryDirectory(prefix="pricewire-tests-")
"""Where the data directory is that is used by default: not the developer's own."""


def environment(**more: str) -> dict[str, str]:
    ours = {"NO_COLOR": "1", "PRICEWIRE_DATA_DIR": f"{PLACE.name}/data"}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PRICEWIRE_")}, **ours, **more}


def pricewire(*arguments: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pricewire", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=environment(**more), check=False)


@contextmanager
def served(*arguments: str, cwd: Path | None = None, **more: str) -> Iterator[tuple[str, str]]:
    """Run `pricewire serve`; yield its address and what it said before."""
    command = [sys.executable, "-m", "pricewire", "serve", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment(**more))
    assert process.stderr is not None
    said = ""
    try:
        for line in process.stderr:
            said += line
            if match := re.search(r"Serving on (\S+) - Ctrl-C stops\.", line):
                yield match[1], said
                break
        else:
            pytest.fail(f"it did not start: {said}")
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=120)[1]
    assert "Traceback" not in rest, rest
    # As a program that Ctrl-C ended should: the shell is to know of it.
    assert process.returncode == 128 + signal.SIGINT
