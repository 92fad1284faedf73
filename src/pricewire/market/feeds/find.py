"""Finds a feed of messages by its address."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pricewire.errors import FeedError, MissingExtraError
from pricewire.extras import missing_extra
from pricewire.market.clock import Clock
from pricewire.market.feed import Feed
from pricewire.market.feeds.address import parse_address
from pricewire.market.feeds.ccxt import ExchangeFeed
from pricewire.market.feeds.fix.feed import FixFeed
from pricewire.market.feeds.fix.settings import read_settings
from pricewire.market.feeds.message_feed import MessageFeed
from pricewire.market.feeds.mix import MixFeed, MixOptions
from pricewire.market.feeds.options import FeedOptions, read_options

SCHEMES = ("nats", "tls", "ws", "wss", "redis", "rediss")
"""The beginnings of the addresses of feeds; `tls` is NATS over TLS."""


FIX = "fix:"
"""The beginning of the name of a feed of a FIX session; the path of its file follows."""

MIX = "mix:"
"""The beginning of the name of a feed that is put together of others; the path of its file follows."""


CCXT = "ccxt:"
"""The beginning of the name of a feed of an exchange; the exchange's name follows."""


def is_address(spec: str) -> bool:
    """Return whether the name of a feed is an address, or one with a scheme of its own."""
    return "://" in spec or spec.startswith((CCXT, FIX))


def open_mix(path: Path, make: Callable[[str], Feed]) -> MixFeed:
    """
    Return the feed that a file puts together of others.

    Args:
        path: of the file.
        make: returns a source by its name.

    Raises:
        FeedError: the file or a source cannot be used.
    """
    options, _ = read_options(path, MixOptions)
    if any(spec.startswith(MIX) for spec in options.sources.values()):
        raise FeedError(f"{path}: a source of a mix cannot be a mix")
    if len(set(options.sources.values())) < len(options.sources):
        raise FeedError(f"{path}: two of the sources are the same; name it once")
    return MixFeed(path, options, {name: make(spec) for name, spec in options.sources.items()})


def shown_name(spec: str) -> str:
    """Return the name of a feed without the secrets of its address."""
    if "://" not in spec:
        return spec
    scheme, _, rest = spec.partition("://")
    # In this order: a password may have any of these characters in it.
    return f"{scheme}://{rest.rpartition('@')[2].partition('#')[0].partition('?')[0]}"


def open_address(spec: str, folder: Path | None = None, clock: Clock | None = None) -> MessageFeed | ExchangeFeed:
    """
    Return the feed at an address; it is not connected yet.

    Args:
        spec: `URL#FILE`, whose file has the options; `ccxt:EXCHANGE`, as `ExchangeFeed` reads it; or `fix:FILE`.
        folder: what the file's path is relative to; by default the working directory.
        clock: the time; by default the system's.

    Raises:
        FeedError: the address or an option cannot be used.
        MissingExtraError: the client of the source is not installed.
    """
    if spec.startswith(CCXT):
        try:
            return ExchangeFeed(spec, folder, clock)
        except ImportError as error:
            raise missing_extra(error, f"feed {spec.partition('?')[0]}") from error
    if spec.startswith(FIX):
        return open_fix((folder or Path()) / spec.removeprefix(FIX), clock)
    scheme = spec.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise FeedError(
            f"there is no feed with addresses that begin with {scheme}://; there are {', '.join(f'{each}://' for each in SCHEMES)}"
        )
    address = parse_address(spec, folder)
    if len(address.servers) > 1 and scheme not in ("nats", "tls"):
        raise FeedError(f"feed {address.shown}: only NATS has several servers for one address; give one")
    try:
        kind, options_of_kind = parts_of(scheme)
    except ImportError as error:
        raise missing_extra(error, f"feed {address.shown}") from error
    options, used = read_options(address.file, options_of_kind)
    return kind(address, options, used, clock)


def open_fix(path: Path, clock: Clock | None = None) -> FixFeed:
    """
    Return the feed of a FIX session; it is not connected yet.

    Args:
        path: of the file with its settings.
        clock: the time; by default the system's.

    Raises:
        FeedError: a setting cannot be used.
        MissingExtraError: quickfix is not installed.
    """
    if find_spec("quickfix") is None:
        raise MissingExtraError(f"feed {FIX}{path}", "quickfix", "fix")
    return FixFeed(read_settings(path), clock)


def parts_of(scheme: str) -> tuple[type[MessageFeed], type[FeedOptions]]:
    """
    Return the kind of a feed, and that of its options.

    Raises:
        ImportError: its client is not installed.
    """
    if scheme in ("ws", "wss"):
        from pricewire.market.feeds.websocket import WebSocketFeed, WebSocketOptions

        return WebSocketFeed, WebSocketOptions
    if scheme in ("redis", "rediss"):
        from pricewire.market.feeds.redis import RedisFeed, RedisOptions

        return RedisFeed, RedisOptions
    from pricewire.market.feeds.nats import NatsFeed, NatsOptions

    return NatsFeed, NatsOptions
