from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.stream.reconnect import (
    LONGEST_WAIT,
    TRANSITIONS,
    Reconnection,
    ReconnectPolicy,
    State,
    may_retry,
    parse_retry_after,
)
from pricewire.client.stream.request import retry_after
from pricewire.errors import ConnectError, HTTPStatusError

CAUSE = ConnectError("http://example.com/", "lost")

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "reconnection.json").read_text())

seconds = st.floats(0, 1e6)
chances = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    lambda attempts, interval, floor, above: ReconnectPolicy(attempts=attempts, interval=interval, ceiling=floor + above, floor=floor),
    st.none() | st.integers(0, 20),
    seconds,
    seconds,
    seconds,
)


@given(policies, st.integers(1, 10_000), chances, st.none() | seconds, st.none() | seconds)
def test_a_wait_is_bounded_and_never_shorter_than_asked(
    policy: ReconnectPolicy, attempt: int, chance: float, retry: float | None, retry_after: float | None
) -> None:
    wait = policy.wait(attempt, chance, retry=retry, retry_after=retry_after)
    asked = min(max(retry or 0.0, retry_after or 0.0), LONGEST_WAIT)
    assert wait >= policy.floor
    assert wait >= asked
    assert wait <= max(policy.ceiling, asked)


@given(policies, st.integers(1, 100), chances)
def test_the_bound_of_a_wait_grows_with_the_attempt(policy: ReconnectPolicy, attempt: int, chance: float) -> None:
    assert policy.wait(attempt, chance) <= policy.wait(attempt + 1, chance)


@given(policies, st.lists(st.tuples(chances, st.booleans()), max_size=100))
def test_attempts_are_counted_since_the_last_event(policy: ReconnectPolicy, steps: list[tuple[float, bool]]) -> None:
    reconnection = Reconnection(policy)
    in_a_row = 0
    for chance, event in steps:
        if event:
            reconnection.received()
            in_a_row = 0
        wait = reconnection.failed(CAUSE, chance)
        in_a_row += 1
        if policy.attempts is not None and in_a_row > policy.attempts:
            assert wait is None
            assert len(reconnection.causes) == policy.attempts + 1
            return
        assert wait is not None
        assert wait >= policy.floor
        assert reconnection.attempt == in_a_row


def test_waits_double_up_to_the_ceiling_with_full_jitter() -> None:
    policy = ReconnectPolicy(interval=1.0, ceiling=30.0, floor=0.1)
    assert [round(policy.wait(n, 0.999999), 2) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert [policy.wait(n, 0.0) for n in range(1, 8)] == [0.1] * 7
    assert policy.wait(10_000, 0.5) == pytest.approx(15.05)


def test_the_floor_holds_against_retry_0() -> None:
    policy = ReconnectPolicy(floor=0.1)
    assert all(policy.wait(attempt, chance, retry=0.0) == 0.1 for attempt in range(1, 50) for chance in (0.0, 0.5, 0.99))


def test_retry_takes_the_place_of_the_interval() -> None:
    policy = ReconnectPolicy(interval=1.0, ceiling=30.0)
    assert policy.wait(1, 0.5, retry=5.0) == 5.0
    assert policy.wait(2, 0.5, retry=5.0) == 7.5
    assert policy.wait(1, 0.5, retry=100.0) == 100.0


def test_retry_after_is_the_least_wait() -> None:
    policy = ReconnectPolicy(interval=1.0, ceiling=30.0)
    assert policy.wait(1, 0.0, retry_after=7.0) == 7.0
    assert policy.wait(1, 0.0, retry_after=1e12) == LONGEST_WAIT


def test_what_the_server_asks_for_reaches_the_policy() -> None:
    reconnection = Reconnection(ReconnectPolicy(interval=2.0, floor=0.0))
    assert reconnection.failed(CAUSE, 0.5) == 1.0
    assert reconnection.failed(CAUSE, 0.5, retry_after=9.0) == 9.0
    reconnection.asked(5.0)
    reconnection.received()
    assert reconnection.failed(CAUSE, 0.5) == 5.0


def test_causes_are_not_kept_for_ever() -> None:
    reconnection = Reconnection(ReconnectPolicy(attempts=None))
    for _ in range(1000):
        assert reconnection.failed(CAUSE, 0.5) is not None
    assert reconnection.causes == []


@pytest.mark.parametrize(
    "bad",
    [{"attempts": -1}, {"interval": -1.0}, {"interval": math.nan}, {"ceiling": math.inf}, {"floor": -0.1}, {"ceiling": 1.0, "floor": 2.0}],
)
def test_a_policy_that_makes_no_sense_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"attempts|interval|ceiling|floor"):
        ReconnectPolicy(**bad)  # type: ignore[arg-type] # each is of its field's type


def test_only_failures_that_may_pass_are_retried() -> None:
    assert [status for status in range(100, 700) if may_retry(status)] == [408, 429, *range(500, 600)]


def test_the_table_has_the_states_of_the_design() -> None:
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.WAITING] == {State.CONNECTING, State.CLOSED}
    assert TRANSITIONS[State.CLOSED] == set()
    assert all(State.CLOSED in following for state, following in TRANSITIONS.items() if state is not State.CLOSED)


NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, LONGEST_WAIT),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Wed, 04 Mar 2026 05:06:37 -0000", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1_000", None),
        ("٣", None),
        ("Wed, 04 Mar 99999999999999999999 05:06:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    assert parse_retry_after(value, NOW.timestamp()) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "120", "date": "nonsense"}, 120.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True), "date": format_datetime(NOW, usegmt=True)}, 90.0),
        ({"date": format_datetime(NOW, usegmt=True)}, None),
    ],
)
def test_a_refusal_asks_for_a_wait_by_the_servers_clock(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(HTTPStatusError("http://a/", 503, headers=headers)) == expected


def test_without_the_servers_clock_ones_own_has_to_do() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=5), usegmt=True)
    assert retry_after(HTTPStatusError("http://a/", 503, headers={"retry-after": date})) == pytest.approx(5 * 3600, abs=600)
    assert retry_after(CAUSE) is None


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, [0-9]{1,30} [A-Z][a-z]{2} [0-9]{1,30} [0-9:]{1,20} [A-Z0-9+-]{0,9}\Z"))
def test_no_retry_after_breaks_the_client(value: str) -> None:
    wait = parse_retry_after(value, 0.0)
    assert wait is None or wait >= 0


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    times = {name: vector["policy"][name] / 1000 for name in ("interval", "ceiling", "floor")}
    reconnection = Reconnection(ReconnectPolicy(attempts=vector["policy"]["attempts"], **times))
    for step in vector["steps"]:
        if step["do"] == "received":
            reconnection.received()
        elif step["do"] == "retry":
            reconnection.asked(step["milliseconds"] / 1000)
        else:
            after = step.get("retry_after")
            wait = reconnection.failed(CAUSE, step["chance"], retry_after=None if after is None else after / 1000)
            assert wait == (None if step["wait"] is None else pytest.approx(step["wait"] / 1000))
