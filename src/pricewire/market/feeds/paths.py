"""Paths into a message: `data[0].bid`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pricewire.errors import FeedError

PART = re.compile(r"""(?:^|(?<=.)\.)([^.\[\]"]+)|\[(-?[0-9]{1,6})\]|\["([^"]+)"\]""")

SHOWN = 160
"""How much of a value an error shows, in characters."""


@dataclass(frozen=True, slots=True)
class Path:
    """
    A way into a message.

    Attributes:
        text: as it was written.
        parts: its keys, and its places in lists; -1 is the last one.
    """

    text: str
    parts: tuple[str | int, ...]

    def find(self, message: object) -> object:
        """
        Return the value that it leads to.

        Raises:
            FeedError: it leads to none; the text says where it ended and what is there.
        """
        value = message
        for at, part in enumerate(self.parts):
            if isinstance(part, str):
                found = isinstance(value, Mapping) and part in value
            else:
                found = isinstance(value, list) and -len(value) <= part < len(value)
            if not found:
                before = Path("", self.parts[:at]).written or "the message"
                raise FeedError(f"path {self.text!r} found nothing: {before} {contents(value)}")
            value = value[part]  # type: ignore[index] # as was just seen
        return value

    @property
    def written(self) -> str:
        """The path in its usual form."""
        text = ""
        for part in self.parts:
            plain = isinstance(part, str) and not re.search(r"[.\[\]]", part)
            text += (f".{part}" if text else f"{part}") if plain else f"[{part}]" if isinstance(part, int) else f'["{part}"]'
        return text


def parse_path(text: str) -> Path:
    """
    Return a path.

    Args:
        text: keys with dots between them, `[0]` for a place in a list, and `["a.b"]` for a key that has one of these characters.

    Raises:
        FeedError: it cannot be read.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = PART.match(text, at)
        if match is None:
            raise FeedError(f'path {text!r} cannot be read from {text[at:]!r} on; write it like data[0].bid or data["a.b"]')
        key, place, quoted = match.groups()
        parts.append(int(place) if place is not None else key if key is not None else quoted)
        at = match.end()
    if not parts:
        raise FeedError("an empty path leads nowhere; write it like data[0].bid")
    return Path(text, tuple(parts))


def contents(value: object) -> str:
    """Return what there is to find in a value."""
    if isinstance(value, Mapping):
        return f"has {clipped(', '.join(map(str, value)))}" if value else "is empty"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    return f"is {clipped(repr(value))}"


def clipped(text: str, most: int = SHOWN) -> str:
    """Return the beginning of a text, and whether there is more."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
