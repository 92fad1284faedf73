"""Files that hold a secret of the server's own: made at the first time, and readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from pricewire.errors import PricewireError


def read_secret_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """
    Return what a file holds; where there is none, it is written first.

    Args:
        path: the file. Its directory is made where it is missing.
        make: returns what a new file holds.

    Raises:
        PricewireError: the file cannot be used, or others may read it.
    """
    try:
        if not path.exists():
            write(path, make())
        others = stat.S_IMODE(path.stat().st_mode) & 0o077
        if others and os.name == "posix":
            raise PricewireError(f"{path} may be read by others than its owner: chmod 600 it, or remove it to have a new one made")
        return path.read_bytes()
    except OSError as error:
        raise PricewireError(f"{path}: {error.strerror}") from None


def write(path: Path, content: bytes) -> None:
    """Write a new file where there is none; of processes that start together, one does."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name first: who finds the file finds all of it.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
