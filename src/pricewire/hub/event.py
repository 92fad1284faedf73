"""An event in the hub, and the formats in which streams show it: its bytes are made once per format, however many streams get them."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec

from pricewire.protocol.encoder import encode_event, encode_message

Format = Callable[["Event", int], bytes]
"""
Makes the data of an event for the streams of one kind.

Called with the event and how many older ones of its topic it stands for; returns one line of UTF-8, usually JSON.
"""


@dataclass(frozen=True)
class Named:
    """
    A format whose events are named in the stream itself: `hub.publish(…, event="order")` reaches the listeners that a browser's
    `addEventListener('order', …)` has added, and not `onmessage`.

        EventStream(hub, ["orders:7"], form=Named(plain))

    `connect` and the hooks read streams without such names. `error`, `reset`, `stale` and `changed` are said by the stream itself. A name
    that cannot be printed, with a line break for instance, is left out.

    Attributes:
        form: how the data is shown.
    """

    form: Format

    def __call__(self, event: Event, merged: int) -> bytes:
        return self.form(event, merged)


@dataclass(frozen=True)
class Whole:
    """
    A format that makes all of an event: its id, its name and its data.

    Attributes:
        form: called with the event and how many older ones of its topic it stands for; returns it encoded, with the blank line.
    """

    form: Format

    def __call__(self, event: Event, merged: int) -> bytes:
        return self.form(event, merged)


class Event:
    """
    One published message.

    Attributes:
        position: the event's place among all that were published; grows with every event.
        id: what readers resume from, made of the boot and the position.
        topic: the topic it was published to.
        seq: the event's number among the topic's.
        key: what it supersedes earlier events of the topic by; None where it must never be left out.
        name: what the message is, as the envelope's `event` says it.
        json: the message as JSON.
        size: about how many bytes it takes in memory; 0 before it was counted.

    Args:
        message: the message, where it is not only known as JSON.
    """

    __slots__ = ("_encoded", "_message", "id", "json", "key", "name", "position", "seq", "size", "topic")

    def __init__(
        self,
        position: int,
        boot: str,
        topic: str,
        seq: int,
        key: str | None,
        name: str,
        json: bytes | None = None,
        message: Any = msgspec.UNSET,
    ) -> None:
        self.position = position
        self.id = f"{boot}-{position}"
        self.topic = topic
        self.seq = seq
        self.key = key
        self.name = name
        self.json = encode_message(message) if json is None else json
        self.size = 0
        # What was encoded before it was published is kept once.
        self._message = msgspec.UNSET if type(message) is msgspec.Raw else message
        self._encoded: dict[Format | tuple[Format, int], bytes] = {}

    @property
    def message(self) -> Any:
        """The message itself; where it came from another process, or was published as `msgspec.Raw`, what its JSON says."""
        return msgspec.json.decode(self.json) if self._message is msgspec.UNSET else self._message

    def decoded(self, decode: Callable[[bytes], Any]) -> Any:
        """Return the message as a decoder reads its JSON, always the same one; it is decoded at the first call, and kept."""
        if self._message is msgspec.UNSET:
            self._message = decode(self.json)
        return self._message

    def narrowed(self, members: frozenset[str]) -> Event:
        """Return the event with only some members of its message, in their order; the message is an object."""
        narrow = copy(self)
        narrow._encoded = {}
        narrow.json = msgspec.json.encode({name: value for name, value in msgspec.json.decode(self.json).items() if name in members})
        return narrow

    def encoded(self, form: Format) -> bytes:
        """Return the event's bytes in a format; they are made at the first call, and kept."""
        data = self._encoded.get(form)
        if data is None:
            data = self._encoded[form] = self.encode(form)
        return data

    def encoded_without_id(self, form: Format) -> bytes:
        """Return the event's bytes in a format, for a reader that is to go on resuming from where it was."""
        # The id is the first line.
        return self.encoded(form).partition(b"\n")[2]

    def encoded_merged(self, form: Format, merged: int) -> bytes:
        """Return the event's bytes in a format, standing for `merged` older events of its topic besides itself."""
        if merged == 0:
            return self.encoded(form)
        data = self._encoded.get((form, merged))
        if data is None:
            data = self._encoded[form, merged] = self.encode(form, merged)
        return data

    def encode(self, form: Format, merged: int = 0) -> bytes:
        """Return the event's bytes in a format, and do not keep them: the log holds the event for minutes."""
        if isinstance(form, Whole):
            return form(self, merged)
        # One with a line break would end its line; its streams must not pay for that.
        name = self.name if isinstance(form, Named) and self.name.isprintable() and self.name != "message" else None
        return encode_event(form(self, merged), event_id=self.id, event_type=name)


class Notice(Event):
    """
    A named event about a topic's state (`stale`, for instance): it has no id and no place in the log, and holds until the next message.

    Args:
        position: its place among the events: streams that were given everything before it get it.
        topic: what it is about.
        name: the event's type.
        data: its data, one line of UTF-8.
    """

    __slots__ = ()

    def __init__(self, *, position: int, topic: str, name: str, data: bytes) -> None:
        super().__init__(position=position, boot="", topic=topic, seq=0, key=None, name=name, json=data)

    def encode(self, form: Format, merged: int = 0) -> bytes:
        """Return the event's bytes, which are the same in all formats."""
        return encode_event(self.json, event_type=self.name)


def envelope(event: Event, merged: int) -> bytes:
    """Show an event with its topic, so that one stream can carry many (the format of `topic=` streams)."""
    head = b'{"event":%b,"subscription_id":%b,"seq":%d,%b"data":' % (
        msgspec.json.encode(event.name),
        msgspec.json.encode(event.topic),
        event.seq,
        b'"merged":%d,' % merged if merged else b"",
    )
    # Joined, not formatted: a message of a kilobyte costs a third.
    return b"".join((head, event.json, b"}"))


def plain(event: Event, merged: int) -> bytes:
    """Show an event as its message alone."""
    return event.json
