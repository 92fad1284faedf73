"""Decisions taken from the bytes of an input, for targets that need more than bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Choice = TypeVar("Choice")


class Source:
    """
    Reads an input from its beginning; an input that has ended reads as zeros.

    Args:
        data: the input.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes; fewer where the input ends."""
        part = self._data[self._place : self._place + size]
        self._place += size
        return part

    def number(self, size: int = 1) -> int:
        """Return a number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def choose(self, choices: Sequence[Choice]) -> Choice:
        """Return one of some choices."""
        return choices[self.number() % len(choices)]

    def rest(self) -> bytes:
        """Return what is left."""
        return self.take(len(self._data))
