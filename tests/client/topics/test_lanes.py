from __future__ import annotations

import pytest

from client.topics.test_subscription import tick_event
from pricewire.client.topics import lanes as module
from pricewire.client.topics.lanes import Lanes
from pricewire.protocol.decoder import ServerSentEvent


def event(text: str, kind: str = "message") -> ServerSentEvent:
    return ServerSentEvent(kind, text, "1", "http://a")


def tick(number: int, instrument_id: str, *, merged: int = 0) -> ServerSentEvent:
    return event(tick_event(number, instrument_id, merged=merged).decode().partition("data: ")[2].strip())


def test_a_run_ends_before_what_has_to_be_looked_at() -> None:
    found = Lanes()
    events = [tick(9, "A"), tick(10, "B"), tick(99999, "A"), tick(100000, "A", merged=3), tick(1, "A"), event("{}", "changed")]
    run = found.run(events, 0)
    assert [(lane.event, lane.topic, text) for lane, text in run] == [
        ("tick", f"ticks:{instrument_id}", each.data) for instrument_id, each in zip("ABA", events, strict=False)
    ]
    assert run[0][0] is run[2][0]
    assert found.run(events, 3) == []
    assert [lane.topic for lane, _ in found.run(events, 4)] == ["ticks:A"]
    assert found.run(events, 5) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        '{"event":"candle","subscription_id":"candles:A:60","seq":1,"data":{}}',
        '{"event":"contract_opened","subscription_id":"contracts:a","seq":1,"data":{}}',
        '{"subscription_id":"ticks:A","event":"tick","seq":1,"data":{}}',
        '{"event":"tick","subscription_id":"ticks:\\u0041","seq":1,"data":{}}',
        '{"event":"tick","subscription_id":"ticks:A","seq":-1,"data":{}}',
    ],
)
def test_what_has_no_lane(text: str) -> None:
    assert Lanes().run([event(text)], 0) == []


def test_a_message_of_another_kind_of_event_has_none() -> None:
    assert Lanes().run([event(tick(1, "A").data, "stale")], 0) == []


def test_topics_without_end_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LANES", 5)
    found = Lanes()
    for number in range(20):
        assert len(found.run([tick(1, f"N{number}")], 0)) == 1
        assert len(found._known) <= 5
