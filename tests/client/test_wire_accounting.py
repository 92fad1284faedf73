"""The books as a client reads them: typed pages, from the newest to the oldest, with `await` and without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pricewire import sync
from pricewire.client.wire import connect
from pricewire.errors import HTTPStatusError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.protocol.accounting_messages import StatementEntry
from pricewire.protocol.topics import ProposalTopic
from pricewire.store.accounts import Account
from support.app_server import TOKENS, add_account, open_app_server
from support.serving import Serving

ONE_TICK = ProposalTopic("rise_fall", "1HZ100V", 1, "ticks", Decimal(10), allow_equals=False)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Account, str]]:
    """A server, an account that has three contracts behind it, and its token."""
    database = tmp_path_factory.mktemp("books") / "pricewire.db"
    alice = add_account(database, "alice")
    token = TOKENS.issue(alice.uuid)
    with open_app_server(database, SimulatedFeed(seed=1)) as server:
        with sync.connect(server.url, token=token) as wire, wire.contracts() as changes:
            for _ in range(3):
                wire.buy(ONE_TICK, "rise")
            ended = 0
            for change in changes:
                ended += change.event == "contract_settled"
                if ended == 3:
                    break
        yield server, alice, token


async def test_pages_go_back_to_the_first_entry(scene: tuple[Serving, Account, str]) -> None:
    server, alice, token = scene
    async with connect(server.url, token=token) as wire:
        page = await wire.statement(limit=2)
        entries: list[StatementEntry[Decimal]] = [*page.entries]
        while page.next_cursor is not None:
            page = await wire.statement(limit=2, cursor=page.next_cursor)
            entries += page.entries
        assert page.currency == "USD"
        assert (entries[-1].kind, entries[-1].amount) == ("deposit", Decimal("10000.00"))
        assert sum(entry.amount for entry in entries) == entries[0].balance
        assert [entry.kind for entry in (await wire.statement("purchase", "deposit")).entries].count("purchase") == 3
        earlier = await wire.statement(to_epoch_ms=entries[-1].timestamp, from_epoch_ms=0, account_uuid=alice.uuid)
        assert earlier.entries == entries[-1:]

        closed = await wire.closed_contracts(limit=2)
        assert len(closed.contracts) == 2
        rest = await wire.closed_contracts(cursor=closed.next_cursor)
        assert (len(rest.contracts), rest.next_cursor) == (1, None)
        contracts = closed.contracts + rest.contracts
        profit = await wire.profit_and_loss()
        assert sum(each.profit_loss for each in profit.results) == sum(each.contract_details.profit_loss for each in contracts)
        today = datetime.now(UTC).date()
        assert (await wire.profit_and_loss(from_day=today, to_day=today)).currency == "USD"
        with pytest.raises(HTTPStatusError) as refused:
            await wire.statement(limit=100_000)
        assert refused.value.code == "INVALID_PARAMETERS"


def test_the_same_without_await(scene: tuple[Serving, Account, str]) -> None:
    server, _, token = scene
    with sync.connect(server.url, token=token) as wire:
        assert [entry.kind for entry in wire.statement("deposit").entries] == ["deposit"]
        assert len(wire.closed_contracts(limit=500).contracts) == 3
        assert sum(each.contracts for each in wire.profit_and_loss().results) == 3


async def test_without_a_token_the_books_are_closed(scene: tuple[Serving, Account, str]) -> None:
    async with connect(scene[0].url) as wire:
        with pytest.raises(HTTPStatusError) as refused:
            await wire.closed_contracts()
        assert refused.value.status == 401
