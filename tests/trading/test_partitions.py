"""Which process has an account: always one, and each has about as much."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FencedError
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.trading.limits import TradingLimits
from pricewire.trading.partitions import PARTITIONS, OwnAccounts, Share, partition_of


def shares(count: int) -> list[Share]:
    processes = [f"process-{place}" for place in range(count)]
    return [Share(7, place, processes) for place in range(count)]


@given(st.uuids(), st.integers(1, PARTITIONS))
def test_an_account_has_one_owner(uuid: object, count: int) -> None:
    account_uuid = str(uuid)
    assert 0 <= partition_of(account_uuid) < PARTITIONS
    owners = [share.place for share in shares(count) if share.owns(account_uuid)]
    assert owners == [shares(count)[-1].place_of(account_uuid)], "and all agree on it"


@given(st.integers(1, PARTITIONS))
def test_shares_are_about_equal_and_together_all(count: int) -> None:
    parts = [share.part for share in shares(count)]
    assert sum(parts) == 1
    assert max(parts) - min(parts) <= Decimal(1) / PARTITIONS
    assert min(parts) > 0


def test_a_limit_for_all_accounts_is_shared_out() -> None:
    limits = TradingLimits(open_contracts=5, account_exposure={"USD": Decimal(100)}, instrument_exposure={"USD": Decimal(1000)})
    assert limits.of(shares(1)[0].part) == limits
    parts = [limits.of(share.part) for share in shares(3)]
    assert sum(each.instrument_exposure["USD"] for each in parts) == 1000
    assert {each.account_exposure["USD"] for each in parts} == {100}, "an account is with one of them"


async def test_accounts_of_another_process_are_not_known(database: Database) -> None:
    accounts = Accounts(database)
    found = {share.place: OwnAccounts(accounts, share) for share in shares(2)}
    for number in range(8):
        account = await accounts.add(f"account-{number}")
        place = shares(2)[0].place_of(account.uuid)
        assert await found[place].find_uuid(account.uuid) == account
        with pytest.raises(FencedError, match="another process has this account"):
            await found[1 - place].find_uuid(account.uuid)
