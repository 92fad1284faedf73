"""Names of contracts, which are not repeated and which nobody can guess."""

from __future__ import annotations

import os
import uuid

ID_BYTES = 16

NAME_BYTES = ID_BYTES + 8
"""How many random bytes the names of a contract are made of."""

AT_ONCE = 256
"""
For how many contracts random bytes are asked of the system at once. Each time other threads may run meanwhile, and the loop waits until
they have stopped.
"""


class Names:
    """Names contracts."""

    def __init__(self) -> None:
        self._random = b""

    def next(self) -> tuple[str, str]:
        """Return the id of a contract, and its reference for people, of 12 digits."""
        if not self._random:
            self._random = os.urandom(AT_ONCE * NAME_BYTES)
        own, self._random = self._random[:NAME_BYTES], self._random[NAME_BYTES:]
        return str(uuid.UUID(bytes=own[:ID_BYTES], version=4)), f"{int.from_bytes(own[ID_BYTES:], 'big') % 10**12:012d}"
