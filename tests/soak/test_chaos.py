"""A short form of the chaos test, and what its audit sees. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import sys
import zlib
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the chaos test stops processes", allow_module_level=True)

from bench.servers import postgres
from soak.chaos.audit import Followed, wrong_balances, wrong_stream
from soak.chaos.published import Item, Publications
from soak.chaos.readers import Received, Start
from soak.chaos.run import Settings, run

from support.serving import PATIENCE

TOPICS = ["balance:a", "ticks:G"]


@pytest.mark.skipif(postgres.missing() is not None, reason="there is no PostgreSQL")
async def test_a_short_chaos_test_finds_nothing_wrong() -> None:
    # As many as one core carries besides the nine processes; on a busy machine all of it takes longer.
    clients: dict[str, int] = {"tick_readers": 60, "account_readers": 20, "traders": 10}
    result = await run(Settings(seconds=30, **clients, pause_s=1.0, longest_s=6.0, trader_pause_s=3.0, live_s=3 * PATIENCE))
    assert result.wrong == [], result.lines()
    assert result.starts["resumed"], result.lines()
    assert result.ends["settled"], result.lines()


def tick(number: int) -> Item:
    json = b'{"epoch_ms":"%d000"}' % number
    return Item(10 * number, number, "ticks:G", "tick", zlib.crc32(json), float(number), json)


def publications(*topics: tuple[str, list[Item]], forgotten: int | None = None) -> Publications:
    found = Publications(boot="b")
    for topic, items in topics:
        found.events[topic] = items
    if forgotten is not None:
        found.forgotten["ticks:G"] = [forgotten]
    return found


TICKS = publications(("ticks:G", [tick(number) for number in range(1, 10)]))


def got(*events: tuple[int, int] | Start, **fields: Any) -> Received:
    """Return what a reader of ticks got: the numbers of the events with what they merged, and connections in between."""
    received = Received("reader", ["ticks:G"], boot="b")
    for event in events:
        if isinstance(event, Start):
            event.place, event.position = len(received.seqs), received.position
            received.starts.append(event)
            continue
        seq, merged = event
        received.which.append(0)
        received.seqs.append(seq)
        received.merged.append(merged)
        received.checks.append(fields.get("check", tick(seq).check))
        received.positions.append(10 * seq)
    return received


def begun(kind: str = "snapshot", at: float = 0.0) -> Start:
    return Start(0, kind, 0, at)


@pytest.mark.parametrize(
    "received",
    [
        got(begun(), (1, 0), (2, 0), (3, 0)),
        got(begun(), (4, 0), (7, 2), (8, 0)),
        got(begun(), (1, 0), (2, 0), begun("resumed"), (3, 0)),
        got(begun(), begun(), (5, 0)),
        got(begun(), (1, 0), begun("reset", 999.0), (9, 0)),
    ],
)
def test_what_is_right_is_accepted(received: Received) -> None:
    assert list(Followed(received, TICKS).wrong()) == []


@pytest.mark.parametrize(
    "received",
    [
        got(begun(), (1, 0), (2, 0), (4, 0)),
        got(begun(), (1, 0), (2, 0), (5, 1)),
        got(begun(), (1, 0), (2, 0), begun("resumed"), (4, 0)),
        got(begun(), (1, 0), (2, 0), begun("resumed"), (2, 0)),
        got(begun(), (3, 0), (2, 0)),
        got(begun(), (4, 0), begun("reset", 999.0), (3, 0)),
        got(begun(), (1, 0), begun("reset", 2.5), (2, 0)),
        got(begun(), (1, 0), begun("snapshot"), (2, 0)),
        got(begun(), (1, 0), check=1),
        got(begun(), (11, 0)),
    ],
)
def test_what_is_wrong_is_seen(received: Received) -> None:
    assert list(Followed(received, TICKS).wrong())


def test_a_value_that_a_connection_does_not_begin_with_is_missed() -> None:
    received = got(begun(), (3, 0))
    received.topics = TOPICS
    received.which[0] = 1
    balances = [Item(5, 1, "balance:a", "balance", 0, 0.0, b"{}")]
    both = publications(("ticks:G", TICKS.events["ticks:G"]), ("balance:a", balances))
    assert len(list(Followed(received, both).wrong())) == 1


def test_a_reset_is_right_for_a_topic_that_was_forgotten() -> None:
    found = publications(("ticks:G", [tick(1), tick(2)]), forgotten=15)
    assert list(Followed(got(begun(), (1, 0), begun("reset", 2.5), (2, 0)), found).wrong()) == []


def test_wrong_numbers_and_times_of_what_was_published_are_seen() -> None:
    assert list(wrong_stream(TICKS)) == []
    assert len(list(wrong_stream(publications(("ticks:G", [tick(1), tick(3)]))))) == 1
    earlier = tick(3)._replace(seq=2, json=tick(1).json)
    assert len(list(wrong_stream(publications(("ticks:G", [tick(1), earlier]))))) == 1


@pytest.mark.parametrize(
    ("told", "faults"), [([100, 90, 95], 0), ([100, 95], 0), ([90, 100, 95], 1), ([100, 90, 90, 95], 1), ([100, 80, 95], 1), ([100, 90], 1)]
)
def test_balances_are_those_of_the_database_in_order(told: list[int], faults: int) -> None:
    items = [Item(0, 0, None, "balance", 0, 0.0, b'{"balance":"%.2f"}' % (balance / 100)) for balance in told]
    account = {"id": "alice", "currency": "USD", "balance": 95}
    assert len(list(wrong_balances(account, [100, 90, 95], items))) == faults
