"""Files with a secret of the server: created at the first use, and readable only by their owner."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from pricewire.errors import PricewireError


def read_secret_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """
    Return the content of a file; if there is none, it is written first.

    Args:
        path: the file. Its directory is created if it is missing.
        make: returns the content of a new file.

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
    """Write a new file if there is none; of processes that start together, only one does."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written under another name first, so that nobody reads half a file.
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
