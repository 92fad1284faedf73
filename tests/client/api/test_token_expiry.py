"""Streams outlive their tokens: with a server that trades, and tokens of a second or two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import httpx2
import pytest

from pricewire.client.api import renewal
from pricewire.client.api.login import log_in
from pricewire.client.api.tokens import Token
from pricewire.client.stream.event_source import EventSource
from pricewire.client.wire import connect
from pricewire.errors import ClientError, HTTPStatusError, StreamError
from pricewire.protocol.messages import Envelope, Tick
from support.app_server import PASSWORD, TOKENS, Scene, bearer
from support.raw_server import PATIENCE
from support.sources import FOREVER


def tokens_of(scene: Scene, lifetime: float) -> Callable[[], Awaitable[str]]:
    """Return a provider of tokens that are good for so many seconds."""

    async def provide() -> str:
        return TOKENS.issue(scene.alice.uuid, lifetime=lifetime)

    return provide


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory) as scene:
        yield scene


@dataclass
class Followed:
    """What a stream brought, and how often it was asked for."""

    numbers: list[int] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    errors: list[ClientError] = field(default_factory=list)
    starts: set[str | None] = field(default_factory=set)

    def check(self) -> None:
        """Nothing is missing, and nothing came twice."""
        assert self.numbers == list(range(self.numbers[0], self.numbers[0] + len(self.numbers)))

    async def note(self, request: httpx2.Request) -> None:
        self.methods.append(request.method)


async def follow(url: str, token: Token, is_enough: Callable[[Followed], bool]) -> Followed:
    """Read ticks until something holds of what happened."""
    followed = Followed()
    async with (
        asyncio.timeout(3 * PATIENCE),
        httpx2.AsyncClient(event_hooks={"request": [followed.note]}) as client,
        connect(url, token=token, reconnect=FOREVER, http_client=client, on_error=followed.errors.append) as wire,
    ):
        ticks = wire.topic("ticks:1HZ100V", type=Envelope[Tick])
        async for envelope in ticks:
            followed.numbers.append(envelope.seq)
            followed.starts.add(ticks.start)
            if is_enough(followed):
                break
    return followed


async def test_a_stream_is_renewed_or_resumed_without_gap_or_doubling(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # A second more may seem to be left, as tokens tell the second of their issue only.
    monkeypatch.setattr(renewal, "LEAST_WAIT", 0.9)
    renewed, resumed = await asyncio.gather(
        # Three seconds are left for the renewal, on a busy machine too.
        follow(scene.server.url, tokens_of(scene, 6.1), lambda followed: followed.methods.count("PATCH") >= 2),
        # What expires sooner is left to expire, and then resumed with the next token.
        follow(scene.server.url, tokens_of(scene, 0.6), lambda followed: followed.methods.count("GET") >= 4),
    )
    renewed.check()
    assert (renewed.methods[0], set(renewed.methods[1:])) == ("GET", {"PATCH"})
    assert renewed.errors == []
    assert renewed.starts == {"snapshot"}
    resumed.check()
    assert set(resumed.methods) == {"GET"}
    assert {error.code for error in resumed.errors if isinstance(error, StreamError)} == {"TOKEN_EXPIRED"}
    assert [error for error in resumed.errors if not isinstance(error, StreamError)] == []
    assert resumed.starts == {"snapshot", "resumed"}


async def test_a_stream_that_is_closed_without_a_word_is_resumed_with_the_next_token(scene: Scene) -> None:
    requests: list[str] = []

    async def note(response: httpx2.Response) -> None:
        requests.append(f"{response.status_code} {response.headers.get('pricewire-start', '')}".strip())

    url = f"{scene.server.url}/v1/market/instruments/ticks/stream?instrument_id=1HZ100V"
    async with (
        asyncio.timeout(3 * PATIENCE),
        httpx2.AsyncClient(event_hooks={"response": [note]}) as client,
        EventSource(url, token=tokens_of(scene, 1.0), reconnect=FOREVER, http_client=client) as source,
    ):
        async for event in source:
            assert event.type == "message"
            if requests.count("200 resumed") == 2:
                break
    assert {*requests} - {"401"} == {"200 snapshot", "200 resumed"}


@pytest.fixture
async def revoked(scene: Scene) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Logs out, so that a token is good no longer."""
    async with httpx2.AsyncClient() as client:

        async def log_out(token: str) -> None:
            assert (await client.post(f"{scene.server.url}/v1/logout", headers=bearer(token))).status_code == 200

        yield log_out


async def test_a_revoked_token_is_replaced_where_there_is_another(scene: Scene, revoked: Callable[[str], Awaitable[None]]) -> None:
    login = await log_in(scene.server.url, "alice", PASSWORD)
    given: list[str] = []

    async def provide() -> str:
        given.append(await login())
        return given[-1]

    async def revoke() -> None:
        await has_begun.wait()
        await revoked(given[0])

    def is_enough(followed: Followed) -> bool:
        has_begun.set()
        return followed.methods.count("GET") >= 3

    has_begun = asyncio.Event()
    followed, _ = await asyncio.gather(follow(scene.server.url, provide, is_enough), revoke())
    assert len(given) == 2
    followed.check()
    assert followed.methods == ["GET"] * 3
    assert [error.code for error in followed.errors if isinstance(error, StreamError)] == ["TOKEN_REVOKED"]


async def test_a_revoked_token_that_is_the_only_one_ends_the_stream(scene: Scene, revoked: Callable[[str], Awaitable[None]]) -> None:
    token = await (await log_in(scene.server.url, "alice", PASSWORD))()
    async with (
        asyncio.timeout(PATIENCE),
        connect(scene.server.url, token=token, reconnect=FOREVER, on_error=lambda _: None) as wire,
        wire.balance() as balance,
    ):
        await anext(balance)
        await revoked(token)
        with pytest.raises(HTTPStatusError) as raised:
            await anext(balance)
        assert raised.value.status == 401
