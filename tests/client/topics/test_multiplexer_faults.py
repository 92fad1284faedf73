"""Subscribers that come and go while changes are lost, with a server that trades: nobody is silent, and nothing is asked for twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.wire import Wire, connect
from pricewire.protocol.messages import Envelope
from pricewire.protocol.trading_messages import ProposalBody
from support.app_server import TOKENS, add_account, open_app_server
from support.raw_server import PATIENCE
from support.serving import Serving

QUICK = ReconnectPolicy(attempts=None, interval=0.001, ceiling=0.01, floor=0.001)

STAKE = "proposal:rise_fall:1HZ100V:5:minutes:10.00:false"
"""A stake that the server writes without the zeros."""


class Network(httpx2.AsyncHTTPTransport):
    """Passes requests on, tells when a stream is answered, and notes the changes; the answers to some of these are lost."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[list[str], list[str]]] = []
        self.losses = 0
        self.last: list[str] = []
        self.lost = asyncio.Event()
        self.on_stream: Callable[[], None] = lambda: None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if request.method == "GET":
            self.on_stream()
        if request.method == "PATCH":
            body = json.loads(request.content)
            self.changes.append((body["add"], body["remove"]))
            answer = json.loads(await response.aread())
            self.last = answer.get("data", {}).get("topics", self.last)
            if self.losses:
                self.losses -= 1
                self.lost.set()
                raise httpx2.ReadError("the connection broke", request=request)
            return httpx2.Response(response.status_code, stream=httpx2.ByteStream(json.dumps(answer).encode()))
        return response


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    """A server that trades, and a token for an account there."""
    database: Path = tmp_path_factory.mktemp("multiplexer") / "pricewire.db"
    with open_app_server(database) as server:
        yield server, TOKENS.issue(add_account(database, "alice").uuid)


@pytest.fixture
def network() -> Network:
    return Network()


@asynccontextmanager
async def opened(trading: tuple[Serving, str], network: Network) -> AsyncIterator[Wire]:
    server, token = trading
    async with (
        asyncio.timeout(PATIENCE),
        httpx2.AsyncClient(transport=network) as client,
        connect(server.url, token=token, http_client=client, reconnect=QUICK, on_error=lambda _: None) as wire,
    ):
        yield wire


async def balance(wire: Wire) -> Decimal:
    """Subscribe to the balance, and return what comes first; nothing but the snapshot comes where nobody trades."""
    async with wire.balance() as values:
        return Decimal((await anext(values)).balance)


async def test_left_and_subscribed_again_in_the_same_turn_gets_the_current_value(trading: tuple[Serving, str], network: Network) -> None:
    async with opened(trading, network) as wire:
        keep = wire.ticks("1HZ100V")
        await anext(keep)
        first = wire.balance()
        await anext(first)
        first.close()
        second = wire.balance()
        assert Decimal((await anext(second)).balance) == 10000
        assert second.start == "snapshot"
        # And once more, while it is being removed.
        second.close()
        await asyncio.sleep(0)
        assert await balance(wire) == 10000
        await anext(keep)


async def test_a_remove_without_an_answer_and_the_topic_again(trading: tuple[Serving, str], network: Network) -> None:
    async with opened(trading, network) as wire:
        keep = wire.ticks("1HZ100V")
        await anext(keep)
        assert await balance(wire) == 10000
        network.losses = 1
        await network.lost.wait()
        assert await balance(wire) == 10000
        while network.last != ["ticks:1HZ100V"]:
            await anext(keep)


async def test_an_add_without_an_answer_left_and_taken_again(trading: tuple[Serving, str], network: Network) -> None:
    async with opened(trading, network) as wire:
        keep = wire.ticks("1HZ100V")
        await anext(keep)
        network.losses = 2
        first = wire.balance()
        await network.lost.wait()
        first.close()
        await asyncio.sleep(0)
        assert await balance(wire) == 10000
        while network.last != ["ticks:1HZ100V"]:
            await anext(keep)
        for before, after in zip(network.changes, network.changes[1:], strict=False):
            assert before != after or before == ([], [])


async def test_a_change_that_is_cancelled_before_its_first_step_is_not_the_last(trading: tuple[Serving, str], network: Network) -> None:
    async with opened(trading, network) as wire:
        keep = wire.ticks("1HZ100V")
        await anext(keep)
        value = wire.balance()
        # Now the change is decided, and its task has not begun.
        await asyncio.sleep(0)
        (change,) = [task for task in asyncio.all_tasks() if "pricewire: change" in task.get_name()]
        change.cancel()
        assert Decimal((await anext(value)).balance) == 10000
        assert change.cancelled()
        await anext(keep)


async def test_a_name_of_a_topic_that_is_just_being_removed_under_another_waits_for_that(
    trading: tuple[Serving, str], network: Network
) -> None:
    async with opened(trading, network) as wire:
        ticks = wire.ticks("1HZ100V")
        proposal, other = (wire.topic(name, type=Envelope[ProposalBody[Decimal]]) for name in (STAKE, STAKE.replace("10.00", "10")))
        # Both are asked for, and the server has not said yet that they are one.
        network.on_stream = other.close
        await anext(ticks)
        numbers = [envelope.seq - envelope.merged for envelope in await proposal.collect(5)]
        assert numbers == list(range(numbers[0], numbers[0] + 5))
        removed = STAKE.replace("10.00", "10")
        assert ([], [removed]) in network.changes, "it was removed under the other name"


@pytest.mark.parametrize("is_first", [True, False])
async def test_another_spelling_than_the_servers_is_served_and_asked_for_a_few_times(
    trading: tuple[Serving, str], network: Network, is_first: bool
) -> None:
    async with opened(trading, network) as wire:
        ticks = wire.ticks("1HZ100V")
        if not is_first:
            await anext(ticks)
        proposal = wire.topic(STAKE, type=ProposalBody)
        for _ in range(5):
            assert (await proposal.snapshot(STAKE)).variants
            await anext(proposal)
        again = wire.topic(STAKE, type=ProposalBody)
        assert (await anext(again)).variants
        assert again.topics == (STAKE,)
        await ticks.collect(20)
        assert len(network.changes) <= 3
