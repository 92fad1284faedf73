"""What a target raises where nothing was raised, but something is wrong."""

from __future__ import annotations


class Finding(Exception):  # noqa: N818 - it is no error of the program that raises it
    """A promise that an input broke."""


def expect(holds: bool, promise: str) -> None:
    """
    Check a promise.

    Raises:
        Finding: it does not hold.
    """
    if not holds:
        raise Finding(promise)
