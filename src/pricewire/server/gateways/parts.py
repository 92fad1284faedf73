"""Long lists in parts, each of which fits into one message of NATS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from nats.aio.client import Client

Item = TypeVar("Item")

HEAD = 1024
"""What is kept for the rest of a message, in bytes: names, and how long the list is."""

MOST_ITEMS = 5000
"""How many items a part has at most."""


def in_parts(items: Iterable[Item], client: Client, most: int = MOST_ITEMS) -> Iterator[list[Item]]:
    """
    Return items in lists, in their order, each of which can be sent with one message; one that cannot is alone.

    Args:
        items: what is sent.
        client: the connection, which knows how long a message may be.
        most: how many items one list has at most.
    """
    encode, largest = msgspec.msgpack.Encoder().encode, client.max_payload - HEAD
    part, size = list[Item](), 0
    for item in items:
        item_size = len(encode(item))
        if part and (size + item_size > largest or len(part) == most):
            yield part
            part, size = [], 0
        part.append(item)
        size += item_size
    if part:
        yield part
