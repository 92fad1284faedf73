"""The texts of the protocol: forms and queries as they come, and what may stand in topics, matchers and ids."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote_to_bytes

from pricewire.errors import PricewireError


class InvalidRequestError(PricewireError):
    """A request has something that the protocol does not allow."""


class TooLargeError(PricewireError):
    """A request to publish has more than is allowed."""


def parse_form(data: bytes) -> list[tuple[str, str]]:
    """
    Return the names and values of a form or a query, in their order.

    Raises:
        InvalidRequestError: one is no UTF-8.

    Source: URL standard, section 5.1, "application/x-www-form-urlencoded parsing".
    """
    pairs = []
    for part in data.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            try:
                pairs.append((_decoded(name), _decoded(value)))
            except UnicodeDecodeError:
                raise InvalidRequestError("a name or a value is no UTF-8") from None
    return pairs


def _decoded(data: bytes) -> str:
    return unquote_to_bytes(data.replace(b"+", b" ")).decode()


def has_invisible(text: str) -> bool:
    """Return whether a text has control characters or format characters, which nobody sees: C0, C1, DEL, and the category `Cf`."""
    return not text.isprintable() and any(unicodedata.category(character) in ("Cc", "Cf") for character in text)
