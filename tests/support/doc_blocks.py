"""The code blocks of the documentation, and the programs that they become."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

SERVER = "http://127.0.0.1:8080"
"""Where the documentation has Pricewire."""

APPLICATION = "http://127.0.0.1:8000"
"""Where the documentation has an application of the reader's."""

PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
"""Where commands are looked for: first where this Pricewire is installed."""

PATIENCE = 60.0
"""How long a program may take to print what is waited for, in seconds."""

FENCE = re.compile(r"^```(?P<language>[a-z]*)(?P<rest>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, its first line from 1, its language, and the title of the file that it is, if it is one."""

    page: Path
    line: int
    language: str
    title: str | None
    code: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def serves(self) -> bool:
        """Whether it is an application that serves until it is interrupted."""
        return self.language == "python" and "pricewire.run(" in self.code


def read(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page."""
    text = page.read_text()
    for match in FENCE.finditer(text):
        title = TITLE.search(match["rest"])
        yield Block(page, text.count("\n", 0, match.start()) + 1, match["language"], title and title[1], match["code"])


BLOCKS = [block for page in PAGES for block in read(page)]


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of some languages."""
    return [block for block in BLOCKS if block.language in languages]


class Program:
    """A program in a process group of its own, which ends with the block, and the lines of its standard error so far."""

    def __init__(self, command: Sequence[str | Path], place: Path, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, "PATH": PATH, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.errors: list[str] = []
        self._lines = queue.Queue[tuple[str, str | None]]()
        self._threads = [threading.Thread(target=self._read, args=[name], daemon=True) for name in ("stdout", "stderr")]

    def __enter__(self) -> Program:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def lines(self) -> Iterator[str]:
        """Yield what it prints, until it has ended."""
        for name, line in self._read_on(2):
            if name == "stdout":
                yield line

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in what it prints or reports."""
        for _, line in self._read_on(2):
            if (match := re.search(pattern, line)) is not None:
                return match
        raise AssertionError(f"it ended without {pattern!r}:\n" + "\n".join(self.errors))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to stop, as supervisors do."""
        self._process.terminate()

    def wait(self) -> int:
        """Return how it ended."""
        return self._process.wait(PATIENCE)

    def _read_on(self, open_streams: int) -> Iterator[tuple[str, str]]:
        # For all of it: a stream without events has a comment every few seconds.
        deadline = time.monotonic() + PATIENCE
        while open_streams:
            try:
                name, line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"what was waited for did not come in {PATIENCE:g} s:\n" + "\n".join(self.errors)) from None
            if line is None:
                open_streams -= 1
                continue
            if name == "stderr":
                self.errors.append(line)
            yield name, line

    def _read(self, name: str) -> None:
        stream = self._process.stdout if name == "stdout" else self._process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.put((name, line.rstrip("\n")))
        self._lines.put((name, None))
