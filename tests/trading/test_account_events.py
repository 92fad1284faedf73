"""Updates of open contracts: those of every account that listens, each the same as priced alone and made whole."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pricewire.store.database import Database
from pricewire.trading.messages import contract_body, tick_point
from pricewire.trading.money import from_units
from support.feeds import GOLD
from support.trading_env import TradingEnv, order

CURRENCIES = ("USD", "JPY", "BTC")

ORDERS: tuple[dict[str, Any], ...] = (
    {},
    {"variant": "fall", "duration": 18},
    {"product_id": "high_low", "variant": "higher", "barrier": "+0.30"},
    {"product_id": "touch", "variant": "no_touch", "barrier": "+0.90", "duration": 60},
    {"duration": 5, "duration_unit": "ticks"},
)

STAKES = {"USD": "10", "JPY": "1000", "BTC": "0.001"}


@pytest.fixture
async def trading_env(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[TradingEnv]:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    async with TradingEnv(database, tmp_path / "journal").open() as trading_env:
        yield trading_env
    await database.close()


def expected(env: TradingEnv, account_uuid: str) -> dict[str, Any]:
    """Return the updates of an account at the newest tick, made in the straightforward way."""
    bodies = {}
    for position in env.desk._states[account_uuid].open.values():
        contract = position.contract
        if contract is not None and not position.is_waiting:
            book = position.book
            assert book.tick is not None
            bid = from_units(int(book.bids(contract.contract_id)[0]), contract.currency)
            bodies[contract.contract_id] = contract_body(contract, GOLD.display_name, bid, [tick_point(book.tick)])
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(bodies))
    return decoded


@pytest.mark.parametrize("prices", [(100.2, 100.6, 99.9, 100.2), (100.5, 101.2, 100.0, 98.0)])
async def test_each_update_is_the_same_as_priced_alone_and_made_whole(trading_env: TradingEnv, prices: tuple[float, ...]) -> None:
    """Contracts of several currencies and products that end at different times, so that the rows of the others move."""
    uuids = []
    for currency in CURRENCIES:
        account = await trading_env.accounts.add(currency, currency=currency, balance=Decimal(100_000 if currency == "JPY" else 100))
        uuids.append(account.uuid)
    for number, details in enumerate(ORDERS):
        for uuid, currency in zip(uuids, CURRENCIES, strict=True):
            # As one account after the other buys, the rows of each are scattered.
            await trading_env.desk.buy(uuid, order(f"key {number}", **{"stake": STAKES[currency], **details}))
    for uuid in uuids[:-1]:
        await trading_env.listen(f"contracts:{uuid}")
    # The last one sees its list alone.
    await trading_env.listen(f"open_contracts:{uuids[-1]}")
    seen = 0
    for second, price in enumerate([100.1, *prices * 5], 1):
        await trading_env.give(f"{price:.2f}", second)
        await trading_env.until(lambda: not trading_env.desk.unsettled_contracts)
        begin = len(trading_env.published)
        trading_env.desk._account_events.on_tick(trading_env.desk._books.find(GOLD.id))
        for uuid in uuids[:-1]:
            updates = {each.key: each.data for each in trading_env.published[begin:] if each.topic == f"contracts:{uuid}"}
            assert updates == expected(trading_env, uuid)
            seen += len(updates)
        assert not [each for each in trading_env.published[begin:] if each.topic == f"contracts:{uuids[-1]}"]
        whole = expected(trading_env, uuids[-1])
        for position in trading_env.desk._states[uuids[-1]].open.values():
            if position.contract_id in whole:
                shown = Decimal(whole[position.contract_id]["contract_details"]["bid_price"])
                assert from_units(position.bid, "BTC") == shown
    assert seen > 40
