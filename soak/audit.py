"""What a well-behaved reader checks of every event. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from pricewire.protocol.decoder import ServerSentEvent


@dataclass(slots=True)
class Faults:
    """
    What went wrong, over all readers.

    Attributes:
        lost: events that neither came nor were merged.
        doubled: events that came again.
        disordered: ids that did not grow.
        ended: streams that the server ended, or events of another kind.
        late: events that came later than a second, beyond what the machine itself stood still.
        oldest: the age of the oldest event, less that, in seconds.
        events: how many came.
        merged: how many more these stand for.
        samples: the first faults in words.
    """

    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    ended: int = 0
    late: int = 0
    oldest: float = 0.0
    events: int = 0
    merged: int = 0
    samples: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """How many events were not what was promised, whenever they came."""
        return self.lost + self.doubled + self.disordered + self.ended

    def note(self, text: str) -> None:
        """Keep one of the first faults in words."""
        if len(self.samples) < 10:
            self.samples.append(text)


class Auditor:
    """
    Checks the events of one stream: of each topic, numbers without a gap that `merged` does not account for; over all, ids that grow.

    Args:
        name: of the reader, for what is reported.
        faults: where faults are counted.
    """

    def __init__(self, name: str, faults: Faults) -> None:
        self._name = name
        self._faults = faults
        self._position = 0
        self._seqs: dict[str, int] = {}

    def take(self, event: ServerSentEvent, now_ms: int) -> int | None:
        """
        Check an event; return its age in milliseconds where it is an update of a price, None where it is the first of its topic.

        Args:
            event: as it came.
            now_ms: the time, in milliseconds since 1970, by the clock that the server's ticks have their times from.
        """
        faults = self._faults
        if event.type != "message":
            faults.ended += 1
            faults.note(f"{self._name}: {event.type} {event.data[:200]}")
            return None
        faults.events += 1
        # Of a snapshot only the last event has an id.
        position = int(event.last_event_id.rpartition("-")[2] or 0)
        body: dict[str, Any] = json.loads(event.data)
        topic, seq, merged = body["subscription_id"], body["seq"], body.get("merged", 0)
        before = self._seqs.get(topic)
        self._seqs[topic] = max(seq, before or 0)
        if before is None:
            # The snapshots of a stream are in the order of its topics.
            self._position = max(self._position, position)
            return None
        if position <= self._position:
            faults.disordered += 1
            faults.note(f"{self._name}: position {position} after {self._position}")
        self._position = position
        if seq <= before:
            faults.doubled += 1
            faults.note(f"{self._name}: {topic} {seq} after {before}")
        elif seq - merged != before + 1:
            faults.lost += seq - merged - before - 1
            faults.note(f"{self._name}: {topic} {seq} with {merged} merged after {before}")
        faults.merged += merged
        return now_ms - int(body["data"]["epoch_ms"])
