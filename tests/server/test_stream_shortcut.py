"""The shortcut to streams answers what the framework's way answers, which a parameter that it does not know has requests go."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricewire.server.stream_shortcut import usual_query
from support.app_server import TOKENS, add_account, open_app_server
from support.serving import Reader, Serving

USUAL = [
    "topic=ticks:R_100",
    "topic=ticks%3AR_100&topic=candles%3AR_100%3A60&interval_ms=250",
    "topic=%74icks:R_100&interval_ms=0",
    "topic=ticks:R_100&topic=ticks:R_100&fields=price,epoch_ms",
    "topic=ticks:R_100&fields=price%2Cepoch_ms",
    "topic=proposal:high_low:R_100:5:minutes:10.0:false:+1.20",
    "topic=proposal:high_low:R_100:5:minutes:10:false:%2B1.2",
    "topic=ticks:R_100&last_event_id=0-1",
    "topic=ticks:R_100&%6Cast_event_id=0-1",
]
"""Queries that the shortcut takes, but for the one whose name is encoded."""

OTHERS = [
    "",
    "topic=",
    "topic",
    "topic=ticks:R_100&interval_ms=1e3",
    "topic=ticks:R_100&interval_ms=",
    "topic=ticks:R_100&interval_ms=%2B5",
    "topic=ticks:R_100&interval_ms=007",
    "topic=ticks:R_100&interval_ms=%C2%B2",
    "topic=ticks:R_100&interval_ms=60001",
    "topic=ticks:R_100&interval_ms=99999999999999999999",
    "topic=ticks:R_100&interval_ms=1&interval_ms=2",
    "topic=ticks:R_100&fields=cost",
    "topic=ticks:R_100&fields=",
    "topic=ticks:R_100&fields=price&fields=price",
    "topic=ticks:R_100;topic=ticks:GOLD",
    "topic=ticks:R_100&&interval_ms=5",
    "topic=ticks:%FF",
    "topic=ticks:R_100%00",
    "topic=ticks%253AR_100",
    "topic=ticks:nowhere",
    "topic=balance:someone",
    "topic=free/talk",
    "topic=admin",
    "topic=ticks:R_100&action=instrument_price",
    "action=instrument_price&instrument_id=R_100",
    "topic=ticks:R_100&token=secret",
    "Topic=ticks:R_100",
    "&".join(f"topic=ticks:R_{number}" for number in range(300)),
]
"""Queries that it leaves to the framework, or whose streams are refused."""

VARYING = re.compile(rb"(?im)^(pricewire-stream|date): .*?\r\n|^id: .*\n")


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[tuple[Serving, str, str]]:
    database = tmp_path_factory.mktemp("shortcut") / "pricewire.db"
    database.write_bytes(sqlite_template.read_bytes())
    account = add_account(database, "demo")
    with open_app_server(database, origins=["https://page.example"]) as server:
        yield server, TOKENS.issue(account.uuid), account.uuid


def answer(server: Serving, path: str, headers: dict[str, str]) -> tuple[int, bytes, bytes]:
    """Return the status, the head and the first of a body, without what differs each time."""
    with Reader(server.url, path, headers=headers) as reader:
        head = reader.read_until(b"\r\n\r\n")
        is_stream = b"text/event-stream" in head
        body = b"" if is_stream else reader.read_until(b"}")
    return int(head.split()[1]), VARYING.sub(b"", head), body


@pytest.mark.parametrize("path", ["/sse", "/protected/sse"])
def test_it_answers_as_the_framework_does(trading: tuple[Serving, str, str], path: str) -> None:
    server, token, account = trading
    queries = [*USUAL, *OTHERS, f"topic=balance:{account}", f"topic=ticks:R_100&topic=open_contracts:{account}"]
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": f"Bearer {token}", "Origin": "https://page.example"},
        {"Authorization": "Bearer nonsense", "Origin": "https://page.example", "Last-Event-ID": "0-1"},
        {"Origin": "https://other.example", "Accept-Encoding": "gzip"},
    ]
    streams = 0
    for query, sent in itertools.product(queries, headers):
        shortcut, framework = (answer(server, f"{path}?{text}", sent) for text in (query, f"{query}&unknown=1"))
        assert shortcut == framework, query
        streams += shortcut[0] == 200
    assert streams > 10, "streams are among them"


def test_it_takes_what_is_usual_and_nothing_else() -> None:
    assert [usual_query(query.encode()) is not None for query in USUAL] == [True] * (len(USUAL) - 1) + [False]
    taken = [query for query in OTHERS if usual_query(query.encode()) is not None]
    assert [query for query in taken if "fields" in query or "interval" in query or "token" in query or "action" in query] == []


def test_methods_other_than_get_go_the_frameworks_way(trading: tuple[Serving, str, str]) -> None:
    server, *_ = trading
    statuses = []
    for method in ("HEAD", "POST", "OPTIONS"):
        with Reader(server.url, "/sse?topic=ticks:R_100", method=method) as reader:
            statuses.append(reader.read_head()[0])
    assert statuses == [405, 405, 204]
