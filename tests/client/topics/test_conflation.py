from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire._native import core
from pricewire.client.parsing import FAILURES
from pricewire.client.topics import conflation
from pricewire.client.topics.conflation import Arrival, Lanes, conflate, key_of, read_head, slot_of
from pricewire.protocol.decoder import ServerSentEvent
from support.client_messages import arrival, tick_event

compiled_only = pytest.mark.skipif(core is None, reason="nothing was compiled")


@pytest.fixture(params=["python", pytest.param("compiled", marks=compiled_only)])
def found(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """The lanes of one connection, found in Python or by what was compiled."""
    if request.param == "python":
        monkeypatch.setattr(conflation, "core", None)
    return Lanes()


def test_the_head_of_an_envelope() -> None:
    head = read_head('{"event":"tick","subscription_id":"ticks:A","seq":7,"merged":2,"data":{"price":"1","deep":[[{}]]}}')
    assert (head.event, head.topic, head.merged) == ("tick", "ticks:A", 2)
    for bad in ("", "[]", '{"event":"tick"}', "[" * 100_000):
        with pytest.raises(FAILURES):
            read_head(bad)


@pytest.mark.parametrize(
    ("event", "data", "key", "slot"),
    [
        ("tick", "{}", "", ""),
        ("balance", "{}", "", ""),
        ("proposal", "{}", "", ""),
        ("candle", '{"open_epoch_ms":"60000"}', "60000", ""),
        ("contract_updated", '{"contract_id":"c1","contract_details":{}}', "c1", "c1"),
        ("contract_opened", '{"contract_id":"c1"}', None, "c1"),
        ("contract_settled", '{"contract_id":"c1"}', None, "c1"),
        ("headline", "{}", None, ""),
    ],
)
def test_what_supersedes_what(event: str, data: str, key: str | None, slot: str) -> None:
    found = arrival(event, "t", data)
    assert key_of(found) == (None if key is None else ("t", key))
    assert slot_of(found) == slot


def test_survivors_count_what_they_stand_for_and_keep_their_place() -> None:
    events = [arrival("tick", "A"), arrival("tick", "B", merged=1), arrival("tick", "A", merged=2), arrival("tick", "A")]
    assert [(event.topic, event.merged) for event in conflate(events)] == [("A", 4), ("B", 1)]


def test_an_update_does_not_overtake_an_event_that_stays() -> None:
    update, sold = arrival("contract_updated", "c", '{"contract_id":"1"}'), arrival("contract_sold", "c", '{"contract_id":"2"}')
    assert [event.event for event in conflate([update, sold, update])] == ["contract_sold", "contract_updated"]


def test_how_a_candle_closed_is_kept() -> None:
    states = [
        arrival("candle", "c", f'{{"open_epoch_ms":"{start}","close":"{close}"}}') for start, close in ((0, 1), (0, 2), (60, 3), (60, 4))
    ]
    assert conflate(states) == [
        Arrival("candle", "c", states[1].text, 1, 0.0),
        Arrival("candle", "c", states[3].text, 1, 0.0),
    ]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["tick", "contract_updated", "news"]), st.sampled_from("12"))))
def test_nothing_is_lost_but_what_is_superseded(told: list[tuple[str, str, str]]) -> None:
    events = [arrival(event, topic, f'{{"contract_id":"{which}"}}', at=at) for at, (topic, event, which) in enumerate(told)]
    kept = conflate(events)
    assert len(kept) + sum(event.merged for event in kept) == len(events)
    newest = {key_of(event): event for event in events}
    assert {event.at for event in kept} == {event.at for key, event in newest.items() if key} | {
        event.at for event in events if not key_of(event)
    }
    # What stays in any case divides each topic's messages into the same parts as before.
    for topic in "AB":
        before, after = ([event for event in each if event.topic == topic] for each in (events, kept))
        fixed = [event.at for event in before if key_of(event) is None]
        assert [event.at for event in after if key_of(event) is None] == fixed
        parts: dict[int, set[float]] = defaultdict(set)
        part = 0
        for event in after:
            if key_of(event) is None:
                part += 1
            else:
                assert sum(at < event.at for at in fixed) == part
                parts[part].add(event.at)


def event(text: str, kind: str = "message") -> ServerSentEvent:
    return ServerSentEvent(kind, text, "1", "http://a")


def tick(number: int, instrument_id: str, *, merged: int = 0) -> ServerSentEvent:
    return event(tick_event(number, instrument_id, merged=merged).decode().partition("data: ")[2].strip())


def test_a_run_ends_before_what_has_to_be_looked_at(found: Lanes) -> None:
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
def test_what_has_no_lane(found: Lanes, text: str) -> None:
    assert found.run([event(text)], 0) == []


def test_a_message_of_another_kind_of_event_has_none(found: Lanes) -> None:
    assert found.run([event(tick(1, "A").data, "stale")], 0) == []


PIECES = [
    '{"event":"tick","subscription_id":"A","seq":',
    '{"event":"tick","subscription_id":"\u20ac","seq":',
    ',"data":',
    ",",
    "7",
    "\u0663",
    "}",
]


@compiled_only
@given(st.lists(st.tuples(st.sampled_from(["message", "stale"]), st.lists(st.sampled_from(PIECES), max_size=4).map("".join))), st.data())
def test_what_was_compiled_finds_the_same(told: list[tuple[str, str]], data: st.DataObject) -> None:
    events = [ServerSentEvent(kind, text) for kind, text in told]
    start = data.draw(st.integers(0, len(events)))
    runs, known = [], []
    for module in (core, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(conflation, "core", module)
            lanes = Lanes()
            runs.append([(lane.event, lane.topic, text) for lane, text in lanes.run(events, start)])
            known.append(list(lanes._known))
    assert runs[0] == runs[1]
    assert known[0] == known[1]


def test_topics_without_end_cost_bounded_memory(found: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflation, "MAX_LANES", 5)
    for number in range(20):
        assert len(found.run([tick(1, f"N{number}")], 0)) == 1
        assert len(found._known) <= 5
