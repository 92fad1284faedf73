"""A stream whose transport the test plays: pausing, resuming and ending as it likes."""

from __future__ import annotations

import asyncio
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pricewire.hub.delivery import Outcome
from pricewire.hub.event import Format, envelope
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream, StreamSpec
from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent

numbers = itertools.count()


class Recorder(Stream):
    """A stream that keeps what is written and is paused by the test."""

    def __init__(
        self,
        hub: Hub,
        *topics: str,
        interval: float = 0.0,
        control: bool = True,
        compress: bool = False,
        form: Format = envelope,
        last_event_id: str = "",
        on_close: Callable[[], None] | None = None,
        follow: Callable[[str], bool] | None = None,
        most: int = 250,
    ) -> None:
        super().__init__(str(next(numbers)), on_close)
        self.inflater = zlib.decompressobj(31) if compress else None
        self.hub = hub
        self.decoder = EventStreamDecoder(last_event_id=last_event_id)
        self.events: list[ServerSentEvent] = []
        # For each of the events, the hub's position when it was written.
        self.written_at: list[int] = []
        self.bytes = b""
        self.ended = self.aborted = False
        self.pause_at_write = False
        self.waiting = 0
        self.interval = interval
        self.first_topics = self.confirmed = frozenset(topics)
        self.changes: list[frozenset[str]] = []
        self.wrote = asyncio.Event()
        self.start = hub.start(topics, last_event_id, follow)
        hub.join(self, StreamSpec(tuple(sorted(topics)), form, interval, compress, control, follow, most), self.start)
        # The newest of each key, which need not be the topic's last events: counting begins after them.
        self.snapshot = 0 if self.start.outcome is Outcome.RESUMED else len(self.events)

    def write(self, data: bytes) -> None:
        assert not self.ended
        assert data
        if self.inflater is not None:
            data = self.inflater.decompress(data)
        self.bytes += data
        for event in self.decoder.feed(data):
            self.events.append(event)
            self.written_at.append(self.hub.position)
            if event.type == "changed":
                self.confirmed = frozenset(json.loads(event.data))
        self.wrote.set()
        if self.pause_at_write:
            self.pause_at_write = False
            self.hub.pause(self)

    def end(self, data: bytes) -> None:
        if data:
            self.write(data)
        self.ended = True
        assert self.inflater is None or self.inflater.eof, "checksum and size are right"

    def abort(self) -> None:
        self.aborted = True

    def unsent(self) -> int:
        return self.waiting

    def change(self, topics: set[str], interval: float) -> None:
        self.changes.append(frozenset(topics))
        found = self.hub.find(self.id)
        assert found is not None
        assert found[0] is self
        spec = replace(found[1], topics=tuple(sorted(topics)), interval=interval)
        self.hub.change(self, spec, json.dumps(sorted(topics)).encode())

    @property
    def data(self) -> list[dict[str, Any]]:
        return [json.loads(event.data) for event in self.events if event.type == "message"]

    @property
    def messages(self) -> list[Any]:
        return [data["data"] for data in self.data]
