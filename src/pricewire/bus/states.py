"""What is current of topics though nothing was published to them lately: so that what has been before may be removed from a bus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pricewire.bus.frames import MAX_BYTES, Kept, TopicState
from pricewire.hub.hub import Hub


def states(hub: Hub, before: int, wants: Callable[[str], bool] | None = None) -> Iterator[TopicState | None]:
    """
    Yield for each topic of a hub what is still current of it and was published before a position; None where that is nothing.

    Of a topic with many keys it is several, none of which is larger than a frame unless one event is. Topics may come and go meanwhile;
    what new ones have is newer.

    Args:
        hub: knows the topics.
        before: the position.
        wants: says of a topic whether it is looked at; None for all of them.
    """
    for topic, log, notice in hub.logs():
        if wants is not None and not wants(topic):
            yield None
            continue
        held = None if notice is None else (notice.name, notice.json)
        kept: list[Kept] = []
        size = 0
        for event in log.quiet(before):
            if event.key is None:
                continue
            newest = Kept(event.position, event.seq, event.key, event.name, event.json)
            if kept and size + newest.size > MAX_BYTES:
                yield TopicState(topic, log.seq, log.position, kept, held)
                kept, size = [], 0
            kept.append(newest)
            size += newest.size
        if kept or log.position < before:
            yield TopicState(topic, log.seq, log.position, kept, held)
        else:
            yield None
