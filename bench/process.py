"""What the kernel says that a process has used."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICK = os.sysconf("SC_CLK_TCK")
"""How many parts of a second the kernel counts CPU time in."""


@dataclass(frozen=True, slots=True)
class Memory:
    """
    The memory of a process, in bytes.

    Attributes:
        rss: what is resident, shared pages counted in full.
        pss: what is resident, shared pages counted by their share.
        private_dirty: what it alone has written to: what would be free without it.
    """

    rss: float
    pss: float
    private_dirty: float

    def per_stream(self, before: Memory, streams: int) -> Memory:
        """Return the growth since an earlier measurement, for each of the streams that were opened meanwhile."""
        return Memory(
            (self.rss - before.rss) / streams,
            (self.pss - before.pss) / streams,
            (self.private_dirty - before.private_dirty) / streams,
        )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far, of its own and of the kernel on its behalf, in seconds."""
    # The second field, the command's name, may hold spaces; what follows its closing bracket does not.
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICK


def tree_seconds(pid: int) -> float:
    """Return the CPU time that a process and those that it has started have used so far, in seconds."""
    return cpu_seconds(pid) + sum(map(tree_seconds, children(pid)))


def waited_seconds(pid: int) -> float:
    """Return how long the first thread of a process was ready to run so far, and had no core, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def memory(pid: int) -> Memory:
    """Return the memory that a process and those that it has started have now; what they share is resident in each of them."""
    each = [_memory(pid), *map(memory, children(pid))]
    return Memory(sum(one.rss for one in each), sum(one.pss for one in each), sum(one.private_dirty for one in each))


def _memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) * 1024 for name, value in (line.split(":", 1) for line in lines)}
    return Memory(sizes["Rss"], sizes["Pss"], sizes["Private_Dirty"])


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def no_compiler() -> str | None:
    """Return why no C can be compiled here; None where it can."""
    return None if shutil.which("cc") else "there is no C compiler (cc)"


def compile_c(source: Path, directory: Path) -> Path:
    """Compile a C program into a directory; return where it is."""
    program = directory / source.stem
    subprocess.run(["cc", "-O2", "-Wall", "-o", program, source], check=True)
    return program
