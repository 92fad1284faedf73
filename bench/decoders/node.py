"""eventsource-parser in Node, installed for the time of a benchmark."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "eventsource-parser@4.1.3"

INSTALL_TIMEOUT = 120.0
"""How long npm may take, in seconds."""


class Node:
    """
    A folder with the package and the program that uses it.

    Args:
        directory: the folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        shutil.copy(Path(__file__).with_name("parser.mjs"), directory)

    def decode(self, stream: bytes, size: int, rounds: int) -> tuple[int, float]:
        """Return how many events a stream in chunks of a size, in bytes, has, and the best round's seconds of CPU."""
        path = self._directory / "stream"
        path.write_bytes(stream)
        command = ["node", str(self._directory / "parser.mjs"), str(path), str(size), str(rounds)]
        answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        return answer["events"], answer["seconds"]


@contextmanager
def installed() -> Iterator[Node | str]:
    """Yield the folder, or why there is none."""
    if not (shutil.which("npm") and shutil.which("node")):
        yield "there is no Node with npm"
        return
    with TemporaryDirectory(prefix="bench-node-") as directory:
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        try:
            subprocess.run(command, cwd=directory, capture_output=True, check=True, timeout=INSTALL_TIMEOUT)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            yield f"npm could not install it ({type(error).__name__})"
            return
        yield Node(Path(directory))
