"""The machine that a benchmark runs on: what it is, what is installed, and which cores do what."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository: where the processes of a benchmark are started, and find its modules."""

PEERS = ROOT / ".peers"
"""Where `make peers` puts programs of peers that it has to build."""

PACKAGES = ("pricewire", "uvicorn", "uvloop", "httptools", "sse-starlette", "starlette", "anyio", "msgspec", "websockets")


class PlacementError(Exception):
    """There are too few cores."""


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Which cores run what, so that neither side takes time from the other.

    Attributes:
        servers: the cores of the servers; None where there is only one core, and nothing is pinned.
        readers: the cores of the readers, and of the benchmark itself.
    """

    servers: frozenset[int] | None
    readers: frozenset[int] | None

    @classmethod
    def choose(cls, cores: int = 1, of: Collection[int] | None = None) -> Placement:
        """
        Take the last cores for the servers, and the others for the readers.

        Args:
            cores: how many the servers get.
            of: those of the machine; by default all that this process may use.

        Raises:
            PlacementError: no core would be left for the readers.
        """
        present = sorted(os.sched_getaffinity(0) if of is None else of)
        if len(present) == cores == 1:
            return cls(None, None)
        if not 1 <= cores < len(present):
            raise PlacementError(
                f"--cores {cores}: of {len(present)} cores the servers can have 1 to {len(present) - 1}, as the readers need one"
            )
        return cls(frozenset(present[-cores:]), frozenset(present[:-cores]))

    @property
    def cores(self) -> int:
        """How many cores a server has, and so how many processes where one uses one core."""
        return 1 if self.servers is None else len(self.servers)

    @contextmanager
    def on_server_cores(self) -> Iterator[None]:
        """Have the processes that are started meanwhile, and theirs, run on the servers' cores."""
        with _on(self.servers):
            yield

    @contextmanager
    def on_all_cores(self) -> Iterator[None]:
        """Have the processes that are started meanwhile, and theirs, run on any core: a browser, for one, is made to use several."""
        with _on(None if self.servers is None or self.readers is None else self.servers | self.readers):
            yield

    def pin_readers(self) -> None:
        """Have this process, and those that it starts, run on the readers' cores."""
        if self.readers is not None:
            os.sched_setaffinity(0, self.readers)


@contextmanager
def _on(cores: Collection[int] | None) -> Iterator[None]:
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def program(name: str) -> str | None:
    """Return where a peer's program is: what `make peers` has built, or the one on the PATH; None where there is none."""
    return shutil.which(name, path=f"{PEERS}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


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
        ("centrifugo", ["centrifugo", "version"]),
        ("mercure", ["mercure", "version"]),
        ("cc", ["cc", "--version"]),
    ):
        if found_program := program(command[0]):
            answer = subprocess.run([found_program, *command[1:]], capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                found[name] = (answer.stdout or answer.stderr).strip().splitlines()[0]
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
