"""Lists in parts that fit into messages, and a server that is told in parts which streams there are."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.hub.streams import StreamSpec
from pricewire.server.gateways.parts import HEAD, in_parts
from pricewire.server.gateways.remote_streams import SETTLED_S, HubOfGateways, RemoteStream


def connection(largest: int) -> Any:
    """Return a connection whose messages may be so long besides what is kept for their heads."""
    return SimpleNamespace(max_payload=HEAD + largest)


@given(st.lists(st.text(max_size=50)), st.integers(1, 100), st.integers(1, 5))
def test_parts_have_everything_in_order_and_fit(items: list[str], largest: int, most: int) -> None:
    parts = list(in_parts(items, connection(largest), most))
    assert [item for part in parts for item in part] == items
    assert all(1 <= len(part) <= most for part in parts)
    assert all(len(part) == 1 or sum(len(msgspec.msgpack.encode(item)) for item in part) <= largest for part in parts)


def test_a_part_is_as_long_as_it_may_be() -> None:
    assert list(in_parts(["a", "b", "c"], connection(4))) == [["a", "b"], ["c"]]


async def test_a_gateway_that_says_its_streams_in_parts_keeps_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HubOfGateways()
    for name in "abcde":
        hub.open_remote(RemoteStream(name, "gateway", "sse", StreamSpec(("ticks:GOLD",)), None))
    later = time.monotonic() + 2 * SETTLED_S
    monkeypatch.setattr("pricewire.server.gateways.remote_streams.time", SimpleNamespace(monotonic=lambda: later))
    assert hub.sync("gateway", ["a", "b", "bb"], until="bb") == ["bb"]
    assert hub.remote_streams["sse"] == 5
    assert hub.sync("gateway", ["d"], after="bb") == []
    assert [name for name in "abcde" if hub.find(name) is not None] == ["a", "b", "d"]
    hub.close()
