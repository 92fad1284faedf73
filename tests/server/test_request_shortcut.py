"""The shortcut to purchases and changes of streams answers what the framework's way answers, which a query has requests go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from pricewire.server.routes.trading import BUY
from support.app_server import TOKENS, add_account, open_app_server
from support.serving import EventReader

TERMS = '"product_id": "rise_fall", "proposal_details": {"instrument_id": "R_100", "duration": 1, "duration_unit": "hours"'

CHANGES: list[str | bytes] = [
    "{}",
    '{"interval_ms": 250}',
    '{"interval_ms": "250"}',
    '{"interval_ms": "1e2"}',
    '{"interval_ms": -1}',
    '{"interval_ms": true}',
    '{"add": ["ticks:R_50"]}',
    '{"add": ["ticks:%52_10"], "remove": ["ticks:R_50"]}',
    '{"add": ["ticks:nowhere"]}',
    '{"add": ["balance:someone"]}',
    '{"add": ["ticks:*"], "unknown": 1}',
    '{"add": "ticks:R_50"}',
    '{"remove": ["ticks:R_100", "ticks:R_10", "ticks:R_50"]}',
    "",
    "null",
    "[]",
    "{",
    '{"add": ["ticks:\ud800"]}'.encode("utf-8", "surrogatepass"),
]

PURCHASES = [
    f'{{"idempotency_key": "a", {TERMS}, "variant": "rise", "stake": "10.00"}}}}',
    f'{{"idempotency_key": "a", {TERMS}, "variant": "rise", "stake": "11.00"}}}}',
    f'{{"idempotency_key": "b", {TERMS}, "variant": "rise", "stake": "1e400"}}}}',
    f'{{"idempotency_key": "", {TERMS}, "variant": "rise", "stake": "10.00"}}}}',
    f'{{{TERMS}, "variant": "rise", "stake": "10.00"}}}}',
    f'{{"idempotency_key": "c", {TERMS}}}}}',
    "",
    "{",
]


@dataclass(frozen=True)
class Asked:
    """
    Who is asked.

    Attributes:
        client: sends requests to the server.
        token: of an account.
        streams: the ids of open streams: without a token, and with the account's.
    """

    client: httpx2.Client
    token: str
    streams: tuple[str, ...]

    def answer(self, method: str, path: str, body: str | bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], str]:
        """Return an answer's status, its headers and its body."""
        answer = self.client.request(method, path, content=body, headers=headers)
        return answer.status_code, {name: value for name, value in answer.headers.items() if name != "date"}, answer.text


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Asked]:
    database = tmp_path_factory.mktemp("shortcut") / "pricewire.db"
    database.write_bytes(sqlite_template.read_bytes())
    token = TOKENS.issue(add_account(database, "demo").uuid)
    with open_app_server(database, origins=["https://page.example"]) as server:
        public = EventReader(server.url, "/sse?topic=ticks:R_100")
        own = EventReader(server.url, "/protected/sse?topic=ticks:R_100", headers={"Authorization": f"Bearer {token}"})
        with httpx2.Client(base_url=server.url) as client:
            yield Asked(client, token, tuple(reader.head["pricewire-stream"] for reader in (public, own)))
        for reader in (public, own):
            reader.socket.close()


def headers_of(token: str) -> list[dict[str, str]]:
    json = {"Content-Type": "application/json"}
    return [
        json,
        {**json, "Authorization": f"Bearer {token}", "Origin": "https://page.example"},
        {**json, "Authorization": "Bearer nonsense", "Origin": "https://page.example"},
        {"Content-Type": "text/plain", "Authorization": f"Bearer {token}"},
    ]


@pytest.mark.parametrize("number", [0, 1, None], ids=["anybody's", "an account's", "none"])
def test_changes_are_answered_as_by_the_framework(asked: Asked, number: int | None) -> None:
    path = f"/v1/streams/{'0123456789abcdef' if number is None else asked.streams[number]}"
    statuses = set()
    for body, headers in itertools.product(CHANGES, headers_of(asked.token)):
        shortcut, framework = (asked.answer("PATCH", each, body, headers) for each in (path, f"{path}?unknown=1"))
        assert shortcut == framework, (body, headers)
        statuses.add(shortcut[0])
    assert {400, 401} | (set() if number is None else {200}) <= statuses


def test_purchases_are_answered_as_by_the_framework(asked: Asked) -> None:
    statuses = set()
    for body, headers in itertools.product(PURCHASES, headers_of(asked.token)):
        shortcut, framework = (asked.answer("POST", each, body, headers) for each in (BUY, f"{BUY}?unknown=1"))
        assert shortcut == framework, (body, headers)
        statuses.add(shortcut[0])
    assert {200, 400, 401} <= statuses
