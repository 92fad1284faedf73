"""The audit trail over both databases: what was done to accounts, in its order, and nothing that was not done."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pricewire.errors import AccountError
from pricewire.store.accounts import Accounts
from pricewire.store.audit import AuditTrail, Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database

BO = Operator("bo", "asked for")

LATER = 9_000_000_000_000
"""A time, in milliseconds since 1970."""


async def test_every_act_is_recorded_and_what_failed_is_not(database: Database) -> None:
    accounts, trail = Accounts(database), AuditTrail(database)
    assert (await trail.acts(newest=9), await trail.newest(LATER)) == ([], 0)
    await accounts.add("alice", currency="EUR", balance=Decimal(5), operator=Operator("bo"))
    await accounts.add("bob")
    await accounts.set_password_hash("alice", "hash", BO)
    await accounts.set_status("alice", "suspended", BO)
    await accounts.set_status("alice", "suspended", Operator("jo"))
    await accounts.end_tokens("alice")
    for failing in (
        accounts.add("alice", operator=BO),
        accounts.set_status("nobody", "active", BO),
        Cashier(database).withdraw("alice", Decimal(6), BO),
    ):
        with pytest.raises(AccountError):
            await failing
    acts = await trail.acts(newest=9)
    assert [(act.author, act.act, act.account_id, act.detail, act.reason) for act in reversed(acts)] == [
        ("bo", "account_added", "alice", "alice in EUR", ""),
        ("bo", "deposit", "alice", "+5.00 EUR", "opening balance"),
        ("pricewire", "account_added", "bob", "bob in USD", ""),
        ("bo", "password_changed", "alice", "", "asked for"),
        ("bo", "status_changed", "alice", "active -> suspended", "asked for"),
        ("pricewire", "tokens_ended", "alice", "", ""),
    ]
    assert "hash" not in str(acts)
    assert [act.number for act in acts] == sorted((act.number for act in acts), reverse=True)
    assert [act.act for act in await trail.acts("bob", newest=9)] == ["account_added"]
    assert await trail.acts(newest=2, before=acts[1].number) == acts[2:4]
    assert await trail.newest(LATER) == acts[0].number
    assert await trail.newest(acts[0].epoch_ms + 1) == acts[0].number
    assert await trail.newest(acts[-1].epoch_ms) == 0


async def test_who_watches_learns_of_money_that_moved(database: Database) -> None:
    accounts, trail = Accounts(database), AuditTrail(database)
    alice = await accounts.add("alice")
    before = await trail.newest(LATER)
    await accounts.set_status("alice", "suspended")
    assert await trail.moved_since(before) == []
    await Cashier(database).deposit("alice", Decimal(1), BO)
    assert await trail.moved_since(before) == [(await trail.newest(LATER), alice.uuid)]
    assert await trail.moved_since(await trail.newest(LATER)) == []
