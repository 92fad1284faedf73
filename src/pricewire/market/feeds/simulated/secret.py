"""The secret that simulated prices are made from, kept in the data directory."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.keystream import SECRET_BYTES
from pricewire.secret_file import read_secret_file

FILE_NAME = "market-secret"
"""The name of its file in the data directory."""


def local_secret(directory: Path) -> bytes:
    """
    Return the secret of a data directory, drawn at the first use: 32 bytes, in a file that only its owner may read.

    Raises:
        PricewireError: the file cannot be used, or others may read it.
    """
    path = directory / FILE_NAME
    text = read_secret_file(path, lambda: f"{secrets.token_hex(SECRET_BYTES)}\n".encode()).strip()
    if re.fullmatch(rb"[0-9a-f]{%d}" % (2 * SECRET_BYTES), text) is None:
        raise PricewireError(f"{path} holds no secret: remove it to have a new one drawn; the prices are others then")
    return bytes.fromhex(text.decode())
