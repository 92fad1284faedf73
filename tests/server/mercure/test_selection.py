"""Where a subscriber that comes back goes on."""

from __future__ import annotations

import msgspec

from pricewire.hub.event import Event
from pricewire.hub.log import LogLimits, TopicLog
from pricewire.hub.streams import Resumption, Topic
from pricewire.protocol.free_topics import UPDATES
from pricewire.server.mercure.matchers import EXACT, URL_PATTERN, read_matcher
from pricewire.server.mercure.selection import MOST_COMPARED, RESUMED_FROM, Selection
from pricewire.server.mercure.update import Update
from support.mercure import HUB


def resumed(selection: Selection, topic: Topic, last_event_id: str) -> Resumption:
    return selection.resume(last_event_id, [topic], lambda event_id: int(event_id) if event_id.isdigit() else None)


def test_many_patterns_are_not_compared_with_all_that_there_is() -> None:
    topic = Topic(UPDATES, TopicLog(LogLimits(count=10_000), 0))
    for position in range(1, 2001):
        json = msgspec.json.encode(Update(("a",), "", str(position)))
        topic.log.append(Event(position, "boot", UPDATES, position, None, "update", json), 0.0)
    many = Selection(tuple(read_matcher(URL_PATTERN, f"/{number}/:id", HUB) for number in range(100)))
    few = Selection((read_matcher(EXACT, "a", HUB), read_matcher(URL_PATTERN, "/:id", HUB)))
    assert MOST_COMPARED // 100 == 500
    assert resumed(many, topic, "earliest") == Resumption(1500, ((RESUMED_FROM, b"earliest"),))
    # The header says that something may be missing, exactly where it may.
    assert resumed(many, topic, "1499") == Resumption(1500, ((RESUMED_FROM, b"earliest"),))
    assert resumed(many, topic, "1500") == Resumption(1500, ((RESUMED_FROM, b"1500"),))
    assert resumed(few, topic, "earliest") == Resumption(0, ((RESUMED_FROM, b"earliest"),))
    assert resumed(few, topic, "7") == Resumption(7, ((RESUMED_FROM, b"7"),))
    assert resumed(few, topic, "unknown") == Resumption(None, ((RESUMED_FROM, b"earliest"),))
