"""Addresses of feeds, and that nothing secret of them is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.address import parse_address
from pricewire.market.feeds.find import open_address, shown_name


def test_an_address_is_a_url_and_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRICES_PASSWORD", "p%40ss")
    address = parse_address("nats://user:${PRICES_PASSWORD}@[::1]:4222/prices.>?v=2&key=k3y!#feed.toml", Path("conf"))
    assert address.url == "nats://user:p%40ss@[::1]:4222/prices.>?v=2&key=k3y!"
    assert address.file == Path("conf/feed.toml")
    assert address.shown == "nats://[::1]:4222/prices.>"
    assert "p%40ss" not in repr(address)
    assert address.hide("cannot reach p@ss p%40ss user k3y! v=2&key=k3y! in 2 s") == "cannot reach … … … … … in 2 s"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("nats://user:secret@host/prices", "feed nats://host/prices needs a file .*: nats://host/prices#FILE.toml"),
        ("nats://user:secret@:9/prices#x", "the address of a feed is SCHEME"),
        ("nats://user:secret@host:99999/prices#x", "with a port from 1 to 65535"),
        ("nats://user:secret@host:4222,/prices#x", "with a port from 1 to 65535"),
        ("nats://user:secret@host,other:0/prices#x", "with a port from 1 to 65535"),
        ("nats://user:secret@[host/prices#x", "the address of a feed is SCHEME"),
        ("nats://user:secret${NOT_SET_ANYWHERE}@h/prices#x", "set NOT_SET_ANYWHERE"),
    ],
)
def test_an_address_that_cannot_be_used_is_said_without_its_password(spec: str, text: str) -> None:
    with pytest.raises(FeedError, match=text) as caught:
        parse_address(spec)
    assert "secret" not in str(caught.value)


def test_an_address_may_have_several_servers(tmp_path: Path) -> None:
    address = parse_address("nats://user:secret@a:4222,[::1]:4223,b/prices.>#feed.toml")
    assert address.servers == ("a:4222", "[::1]:4223", "b")
    assert address.url == "nats://user:secret@a:4222/prices.>"
    assert address.shown == "nats://a:4222,[::1]:4223,b/prices.>"
    assert address.hide("user secret") == "… …"
    with pytest.raises(FeedError, match="only NATS has several servers"):
        open_address("redis://a,b/prices#feed.toml")


@pytest.mark.parametrize("secret", ["nats://me:s/e?c#ret@host/prices?key=x#file", "nats://host/prices?key=ret#file"])
def test_a_name_is_shown_without_what_is_secret(secret: str) -> None:
    assert shown_name(secret) == "nats://host/prices"
    assert shown_name("replay:a@b.csv") == "replay:a@b.csv"
