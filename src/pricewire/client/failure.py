"""Why a connection could not be made, in the system's own words."""

from __future__ import annotations

import os
import socket


def failure_text(error: BaseException) -> str:
    """
    Return what a failed request says to people: of a connection that the system refused, the system's reason.

    The library says "All connection attempts failed" for everything from a port that nobody listens at to an address without a route.

    Args:
        error: what the library raised.
    """
    seen: BaseException | None = error
    found = ""
    while seen is not None:
        if isinstance(seen, BaseExceptionGroup):
            seen = seen.exceptions[0]
        if isinstance(seen, socket.gaierror) and seen.strerror:
            return seen.strerror
        if isinstance(seen, ConnectionRefusedError) or (type(seen) is OSError and seen.errno):
            found = os.strerror(seen.errno) if seen.errno else ""
        seen = seen.__cause__ or seen.__context__
    return found or str(error) or type(error).__name__
