"""Inputs as files, for what reads files."""

from __future__ import annotations

import tempfile
from pathlib import Path

FOLDER = tempfile.TemporaryDirectory(prefix="pricewire-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
"""In memory where that is possible; removed when the process ends."""


def as_file(data: bytes, name: str) -> Path:
    """Return a file with this name and content; the next one of the same name takes its place."""
    path = Path(FOLDER.name) / name
    path.write_bytes(data)
    return path
