"""The machine that a benchmark runs on: what it is, what is installed, and which core does what."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository: where the processes of a benchmark are started, and find its modules."""

PACKAGES = ("pricewire", "uvicorn", "uvloop", "httptools", "sse-starlette", "starlette", "anyio", "msgspec")


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Which core runs what, so that neither side takes time from the other.

    Attributes:
        server: the core of the servers; None where there is only one core, and nothing is pinned.
        readers: the core of the readers, and of the benchmark itself.
    """

    server: int | None
    readers: int | None

    @classmethod
    def choose(cls) -> Placement:
        """Take the first core for the readers and the last for the servers."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(cores[-1], cores[0]) if len(cores) > 1 else cls(None, None)

    @contextmanager
    def on_server_core(self) -> Iterator[None]:
        """Have the processes that are started meanwhile, and theirs, run on the servers' core."""
        if self.server is None:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.server})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def pin_readers(self) -> None:
        """Have this process, and those that it starts, run on the readers' core."""
        if self.readers is not None:
            os.sched_setaffinity(0, {self.readers})


def raise_file_limit(needed: int) -> int:
    """
    Allow this process, and those that it starts, as many open files as the system lets it have.

    Returns:
        how many streams fit, of the `needed` ones: a stream is a file on either side, and a process has a few of its own.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = needed + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            hard = wanted
        except (ValueError, PermissionError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return min(needed, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return needed


def describe() -> dict[str, object]:
    """Return what a reader of the figures has to know of the machine."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "load_average": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """Return the versions of what is measured, as far as it is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for name, command in (
        ("nginx", ["nginx", "-v"]),
        ("nchan", ["dpkg-query", "--show", "--showformat=${Version}", "libnginx-mod-nchan"]),
        ("cc", ["cc", "--version"]),
    ):
        if shutil.which(command[0]):
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                found[name] = (answer.stdout or answer.stderr).strip().splitlines()[0]
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
