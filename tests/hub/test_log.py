"""A topic's log against a naive model of all that was ever published."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.hub.event import Event
from pricewire.hub.log import OVERHEAD, LogBudget, LogLimits, TopicLog, size_of

KEYS = st.lists(st.sampled_from([None, "a", "b"]), max_size=30)


def event(position: int, seq: int, key: str | None) -> Event:
    return Event(position=position, boot="00", topic="t", seq=seq, key=key, name="message", json=b"%d" % position)


def filled(keys: list[str | None], count: int) -> tuple[TopicLog, list[Event]]:
    """A log of so many events at most, that began at position 10 and shares its hub with other topics, and all that it was given."""
    log = TopicLog(LogLimits(count=count, age=1e9), 10)
    events = [event(11 + 2 * number, number + 1, key) for number, key in enumerate(keys)]
    for each in events:
        log.append(each, 0.0)
    return log, events


@given(KEYS, st.integers(1, 30), st.integers(0, 80), st.integers(0, 80))
def test_after_is_everything_between_two_positions_or_none(keys: list[str | None], count: int, position: int, until: int) -> None:
    log, events = filled(keys, count)
    dropped = events[:-count]
    reaches_back = position >= (dropped[-1].position if dropped else 10)
    expected = [each for each in events if position < each.position <= until]
    assert log.after(position, until) == (expected if reaches_back else None)


@given(KEYS, st.integers(1, 30), st.integers(10, 80))
def test_missed_is_what_nothing_has_superseded(keys: list[str | None], count: int, position: int) -> None:
    log, events = filled(keys, count)
    until = events[-1].position if events else 10
    newest = {each.key: each for each in events}
    expected = [each for each in events if each.position > position and (each.key is None or newest[each.key] is each)]
    lost = [each for each in [each for each in events if each.key is None][:-count] if each.position > position]
    assert log.missed(position, until) == (None if lost else expected)


@given(KEYS, st.integers(1, 30), st.integers(0, 30))
def test_newest_is_the_newest_of_each_key_after_a_number(keys: list[str | None], count: int, seq: int) -> None:
    log, events = filled(keys, count)
    newest = {each.key: each for each in events if each.key is not None}
    assert log.newest(seq) == sorted((each for each in newest.values() if each.seq > seq), key=lambda each: -each.seq)


@given(st.lists(st.sampled_from([None, "a", "b", "ends a", "ends b"]), max_size=30), st.integers(1, 80))
def test_the_snapshot_is_the_newest_of_each_key_that_has_not_ended_as_of_a_position(what: list[str | None], until: int) -> None:
    log = TopicLog(LogLimits(count=1000, age=1e9), 0)
    newest: dict[str, Event] = {}
    for number, each in enumerate(what):
        ends = each.removeprefix("ends ") if each is not None and each.startswith("ends") else None
        made = event(1 + 2 * number, number + 1, None if ends else each)
        log.append(made, 0.0)
        if ends is not None:
            log.end(ends)
        if made.position <= until:
            if made.key is not None:
                newest[made.key] = made
            newest.pop(ends or "", None)
    assert log.snapshot(until) == sorted(newest.values(), key=lambda each: each.position)


@given(KEYS, st.integers(10, 80))
def test_seq_at_counts_the_topics_events_up_to_a_position(keys: list[str | None], position: int) -> None:
    log, events = filled(keys, 1000)
    assert log.seq_at(position) == sum(each.position <= position for each in events)


def test_events_expire_by_age_but_the_newest_of_a_key_is_kept() -> None:
    log = TopicLog(LogLimits(count=100, age=60.0), 0)
    first, second, third = event(1, 1, "a"), event(2, 2, None), event(3, 3, "b")
    log.append(first, 0.0)
    log.append(second, 30.0)
    log.append(third, 61.0)
    assert log.after(0, 9) is None
    assert log.after(1, 9) == [second, third]
    assert log.missed(0, 9) == [first, second, third]
    log.expire(91.0)
    assert log.missed(0, 9) is None
    assert log.missed(2, 9) == [third]
    assert log.snapshot(9) == [first, third]


def test_a_key_that_has_ended_is_left_out_until_it_begins_again() -> None:
    log = TopicLog(LogLimits(), 0)
    events = [event(1, 1, "a"), event(2, 2, "b"), event(3, 3, None)]
    for each in events:
        log.append(each, 0.0)
    log.end("a")
    log.end("never begun")
    assert log.snapshot(3) == events[1:2]
    assert log.missed(0, 3) == events[1:], "a reader that lags is not told what was true of it before"
    assert log.after(0, 3) == events, "one that resumes gets all there was"
    again = event(4, 4, "a")
    log.append(again, 0.0)
    assert log.snapshot(4) == [events[1], again]


def test_the_newest_events_without_a_key_are_retained_however_old_they_are() -> None:
    log = TopicLog(LogLimits(count=5, age=10, retained=2), 10)
    for number, key in enumerate([None, None, None, "a", "a"]):
        log.append(event(11 + number, number + 1, key), float(number))
    assert [each.position for each in log.snapshot(100)] == [12, 13, 15]
    assert [each.position for each in log.snapshot(12)] == [11, 12]
    log.expire(1000.0)
    assert [each.position for each in log.snapshot(100)] == [12, 13, 15]
    log.append(event(16, 6, None), 1001.0)
    assert [each.position for each in log.snapshot(100)] == [13, 15, 16]


@pytest.mark.parametrize("name", ["k", "k" * 250, "é" * 250, "中" * 250, "\N{GRINNING FACE}" * 250])
def test_an_event_is_counted_with_all_that_it_takes_in_memory(name: str) -> None:
    budget = LogBudget(1 << 30)
    log = TopicLog(LogLimits(count=10_000, budget=budget), 0)
    gc.collect()
    tracemalloc.start()
    for number in range(1, 1001):
        each = Event(number, "6617e2ff10a69", "t" + name, number, None, f"{name}{number}", b"%d" % number)
        # As a bus does, or a stream: the string keeps what it was encoded to.
        msgspec.msgpack.encode([each.topic, each.name])
        log.append(each, float(number) / 1000)
    # Other threads of the tests may make something meanwhile.
    own = [tracemalloc.Filter(True, file) for file in (__file__, "*/pricewire/hub/*")]
    taken = sum(each.size for each in tracemalloc.take_snapshot().filter_traces(own).statistics("filename"))
    tracemalloc.stop()
    assert taken <= budget.held <= 3 * taken


@given(st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.booleans(), st.integers(0, 3)), max_size=60), st.integers(1, 6))
def test_a_budget_holds_what_the_log_holds(steps: list[tuple[str | None, bool, int]], count: int) -> None:
    budget = LogBudget(6 * OVERHEAD)
    log, other = (TopicLog(LogLimits(count=count, age=5, budget=budget), 10) for _ in range(2))
    for number, (key, ends, pause) in enumerate(steps):
        log.append(event(11 + number, number + 1, None if ends else key), float(number * pause))
        if ends and key is not None:
            log.end(key)
        held = sum(map(size_of, log._events)) + sum(map(size_of, log._latest.values()))
        assert budget.held == held
        assert len(log._events) == 1 or budget.held <= budget.limit
    other.append(event(1000, 1, "a"), 1e6)
    log.release()
    other.release()
    assert budget.held == 0
