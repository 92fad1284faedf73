"""What a hub has done, for the metrics."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """
    What a hub has done since it began.

    Attributes:
        events_published: events published to any topic.
        events_delivered: events written, counted once for each stream.
        events_merged: events left out for lagging and paced streams as newer ones superseded them, counted once for each stream.
        bytes_written: bytes written, compressed where they are, counted once for each stream.
        flushes: how often the pending events of a group were written.
        flushed_events: how many events these held.
        flushed_bytes: how many bytes these held, counted once for each group.
        streams_opened: streams that joined.
        streams_lagged: how often a stream fell behind.
        streams_dropped: streams ended because the log no longer reached back to where they were.
        resumed: streams that started with the events after their last.
        reset: streams that could not.
    """

    events_published: int = 0
    events_delivered: int = 0
    events_merged: int = 0
    bytes_written: int = 0
    flushes: int = 0
    flushed_events: int = 0
    flushed_bytes: int = 0
    streams_opened: int = 0
    streams_lagged: int = 0
    streams_dropped: int = 0
    resumed: int = 0
    reset: int = 0
