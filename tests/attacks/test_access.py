"""Who may: what a token is not for, and what ends it, over real sockets against both transports."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from house import TOKENS, Events, add_account, bearer, open_house, refused
from pricewire.server.auth.tokens import READ, TRADE
from pricewire.trading.accounts import Account
from serving import Serving

KINDS = ("balance", "contracts", "open_contracts", "closed_contracts")


@dataclass
class Scene:
    server: Serving
    database: Path
    alice: Account

    def get(self, path: str, token: str | None = None) -> httpx2.Response:
        """Return the answer of a request that is to be refused; an open stream is an empty answer."""
        with httpx2.stream("GET", self.server.url + path, headers={} if token is None else bearer(token)) as answer:
            if not answer.headers["content-type"].startswith("text/event-stream"):
                answer.read()
            return answer

    def post(self, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        headers = {} if token is None else bearer(token)
        return httpx2.post(self.server.url + path, headers=headers, timeout=30, **options)

    def change(self, stream: Events, token: str, **change: Any) -> httpx2.Response:
        return httpx2.patch(f"{self.server.url}/v1/streams/{stream.head['pricewire-stream']}", json=change, headers=bearer(token))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, http: type[asyncio.Protocol]) -> Iterator[Scene]:
    database = tmp_path_factory.mktemp("access") / "pricewire.db"
    alice = add_account(database, "alice")
    with open_house(database, http=http) as server:
        yield Scene(server, database, alice)


def token(account: Account, *scopes: str, lifetime: float = 60.0) -> str:
    return TOKENS.issue(account.uuid, frozenset(scopes), lifetime=lifetime)


@pytest.mark.parametrize("scopes", [(), (TRADE,), ("publish",), ("READ",)], ids=str)
def test_without_the_scope_for_reading_an_accounts_topics_are_not_read(scene: Scene, scopes: tuple[str, ...]) -> None:
    blind = token(scene.alice, *scopes)
    for kind in KINDS:
        for path in (f"/sse?topic={kind}:{scene.alice.uuid}", f"/protected/sse?topic=ticks:R_100&topic={kind}:{scene.alice.uuid}"):
            answer = scene.get(path, blind)
            assert "'read'" in refused(answer, 403, "FORBIDDEN")
            assert 'error="insufficient_scope", scope="read"' in answer.headers["www-authenticate"]
    for path in ("/v1/accounting/balance/stream", "/v1/trading/contracts/open/stream", "/v1/trading/contracts/close/stream"):
        refused(scene.get(path, blind), 403, "FORBIDDEN")
    refused(scene.post("/v1/tickets", blind), 403, "FORBIDDEN")


def test_a_stream_is_not_given_an_accounts_topics_without_the_scope_for_reading(scene: Scene) -> None:
    topic = f"balance:{scene.alice.uuid}"
    with Events(scene.server, "/sse?topic=ticks:R_100", token(scene.alice, TRADE)) as stream:
        assert stream.status == 200, "public prices are for everybody"
        refused(scene.change(stream, token(scene.alice, TRADE, lifetime=600), add=[topic]), 403, "FORBIDDEN")
        assert scene.change(stream, token(scene.alice, TRADE, lifetime=600), add=["ticks:R_50"]).status_code == 200


def test_a_stream_of_an_account_is_neither_prolonged_nor_changed_without_the_scope_for_reading(scene: Scene) -> None:
    blind = token(scene.alice, TRADE, lifetime=600)
    for path in (f"/sse?topic=balance:{scene.alice.uuid}&topic=ticks:R_100", "/v1/accounting/balance/stream"):
        with Events(scene.server, path, token(scene.alice, READ)) as stream:
            refused(scene.change(stream, blind), 403, "FORBIDDEN")
            if path.startswith("/sse"):
                refused(scene.change(stream, blind, add=["ticks:R_50"]), 403, "FORBIDDEN")
                refused(scene.change(stream, blind, remove=["ticks:R_100"]), 403, "FORBIDDEN")


def test_a_stream_with_an_accounts_topics_lives_by_a_token_for_reading(scene: Scene) -> None:
    """The token for trading lasts longer, but a stream of an account must not outlive its right to read."""
    with Events(scene.server, "/sse?topic=ticks:R_100", token(scene.alice, TRADE, lifetime=600)) as stream:
        reading = token(scene.alice, READ, lifetime=60)
        changed = scene.change(stream, reading, add=[f"balance:{scene.alice.uuid}"])
        assert changed.status_code == 200
        assert scene.post("/v1/logout", reading).status_code == 200
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
