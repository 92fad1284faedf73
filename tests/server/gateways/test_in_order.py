"""What follows comes in order for one stream, and no stream waits for another one's."""

from __future__ import annotations

import asyncio

import pytest

from pricewire.server.gateways.in_order import InOrder


async def test_one_stream_is_in_order_and_waits_for_no_other() -> None:
    changes, done = InOrder(), list[str]()
    slow, quick = asyncio.Event(), asyncio.Event()
    first = changes.begin("a", slow.wait, lambda _: done.append("first"))
    second = changes.begin("a", quick.wait, lambda _: done.append("second"))
    quick.set()
    await changes.begin("b", quick.wait, lambda _: done.append("other"))
    assert done == ["other"]
    slow.set()
    await asyncio.wait([first, second])
    assert done == ["other", "first", "second"]
    await changes.begin("a", quick.wait, lambda _: done.append("third"))
    assert done[-1] == "third"


async def test_what_fails_holds_nothing_up() -> None:
    async def fail() -> bool:
        raise ValueError("no")

    changes, done, never = InOrder(), list[str](), asyncio.Event()
    held = changes.begin("a", never.wait, lambda _: done.append("held"))
    failed = changes.begin("a", fail, lambda _: done.append("failed"))
    last = changes.begin("a", pass_by, lambda _: done.append("last"))
    held.cancel()
    await asyncio.wait([last])
    with pytest.raises(ValueError, match="no"):
        await failed
    assert done == ["last"]


async def pass_by() -> bool:
    return True
