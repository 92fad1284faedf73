"""Updates: what publishers send, as the hub carries it and as subscribers get it."""

from __future__ import annotations

import os

import msgspec

from pricewire.hub.event import Event, Whole, envelope
from pricewire.protocol.encoder import encode_event
from pricewire.protocol.free_topics import UPDATES

RESERVED_TYPE = "mercure"
"""The type of the hub's own updates: of subscriptions."""

EARLIEST = "earliest"
"""Stands for the oldest update that the hub has."""


class Update(msgspec.Struct, frozen=True, array_like=True):
    """
    An update.

    Attributes:
        topics: the canonical topic, then the alternate ones.
        data: its content.
        id: what subscribers resume from.
        private: whether only those get it who may read one of the topics.
        type: the name of the event; None for none.
        retry: the time to reconnect, in milliseconds; None for none.
    """

    topics: tuple[str, ...]
    data: str
    id: str
    private: bool = False
    type: str | None = None
    retry: int | None = None


decoder = msgspec.json.Decoder(Update)


def new_id() -> str:
    """Return an id that says nothing of others, and that nobody guesses. Source: RFC 9562, section 5.4."""
    number = bytearray(os.urandom(16))
    number[6] = number[6] & 0x0F | 0x40
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def update_of(event: Event) -> Update:
    """Return the update that an event of the hub carries."""
    update: Update = event.decoded(decoder.decode)
    return update


def show(event: Event, merged: int) -> bytes:
    """Return an event as subscribers get it: an update, or what one of the server's own topics has in its envelope."""
    if event.topic != UPDATES:
        # A fragment, as the protocol has it for ids that are unique for a hub.
        return encode_event(envelope(event, merged), event_id=f"#{event.id}")
    update = update_of(event)
    return encode_event(update.data, event_id=update.id, event_type=update.type, retry=update.retry)


FORMAT = Whole(show)
"""The format of all subscribers' streams: so those that match the same share their bytes."""
