"""The options of feeds that bring messages: a TOML file, read strictly into typed objects."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from pricewire.errors import FeedError
from pricewire.market.feeds.address import expand
from pricewire.market.markets import Market, market_of_pair
from pricewire.protocol.messages import Instrument

Options = TypeVar("Options", bound=msgspec.Struct)


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file, in which an option that there is not is an error."""


class InstrumentOptions(Table, frozen=True, kw_only=True):
    """
    An instrument that a feed brings.

    Attributes:
        pip_size: the decimals of its prices.
        symbol: what the source calls it; its id by default.
        display_name: the name for people; its symbol by default.
        market: by default what its id says, and `Stocks` where that is no pair.
        max_jump: a price that is further from the one before than this part of it is held back until it has proved true; 0.05 is 5 %.
    """

    pip_size: int
    symbol: str | None = None
    display_name: str | None = None
    market: Market | None = None
    max_jump: float | None = None


class MessageOptions(Table, frozen=True, kw_only=True):
    """
    Where in a message what is. By default, as `Tick` is sent by Pricewire itself.

    Attributes:
        format: how messages are encoded: `fields` are those of an entry of a Redis stream.
        field: the field of an entry of a Redis stream that holds the message, where the format is not `fields`.
        ticks: the path of a list or an object of several ticks; the other paths begin at each of them.
        symbol: the path of the symbol; `@channel` for the subject or channel, `@key` for the tick's key in the object of `ticks`.
        bid: the path of what one gets for selling.
        ask: the path of what one pays to buy.
        price: the path of the price, where there is only one.
        time: the path of the time; the time of arrival where there is none.
        time_format: seconds, milli-, micro- or nanoseconds since 1970, or a text.
        timezone: of a text without a zone.
        factor: what prices are multiplied by.
        sequence: the path of a number that grows by one with each tick of an instrument.
        where: by path, what a message must hold to be one of ticks; others are passed over.
    """

    format: Literal["json", "msgpack", "fields"] | None = None
    field: str = "data"
    ticks: str | None = None
    symbol: str | None = None
    bid: str | None = None
    ask: str | None = None
    price: str | None = None
    time: str | None = None
    time_format: Literal["s", "ms", "us", "ns", "text"] = "ms"
    timezone: str = "UTC"
    factor: float = 1.0
    sequence: str | None = None
    where: dict[str, str | int | float | bool] = {}


OWN = MessageOptions(symbol="instrument_id", bid="bid", ask="ask", time="epoch_ms")
"""Ticks as Pricewire sends them itself."""


class TlsOptions(Table, frozen=True, kw_only=True):
    """
    What TLS checks and shows; the system's authorities count where nothing is said.

    Attributes:
        ca: a file of the certificates of authorities, in PEM.
        certificate: the client's certificate chain, in PEM.
        key: its private key, in PEM.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class FeedOptions(Table, frozen=True, kw_only=True):
    """
    What all feeds of messages have.

    Attributes:
        instruments: by their ids.
        message: where in a message what is; None for ticks as Pricewire sends them.
        tls: of the connection.
        silence_s: after so many seconds without a message the connection is made anew; None for however long.
    """

    instruments: dict[str, InstrumentOptions]
    message: MessageOptions | None = None
    tls: TlsOptions | None = None
    silence_s: float | None = None


def read_options(path: Path, kind: type[Options]) -> tuple[Options, list[str]]:
    """
    Return the options of a file, and the values of the environment that `${NAME}` stood for: secrets, perhaps.

    Raises:
        FeedError: it cannot be read, or an option in it cannot be used; the text names it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FeedError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise FeedError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    used: list[str] = []

    def expanded(value: object) -> object:
        if isinstance(value, str):
            text, values = expand(value, str(path))
            used.extend(values)
            return text
        if isinstance(value, dict):
            return {key: expanded(each) for key, each in value.items()}
        return [expanded(each) for each in value] if isinstance(value, list) else value

    # Decoding takes a file's own folder for where the paths in it begin.
    def converted(kind: type, value: object) -> object:
        if kind is Path:
            return path.parent / Path(str(value)).expanduser()
        raise NotImplementedError

    try:
        return msgspec.convert(expanded(content), kind, dec_hook=converted), used
    except msgspec.ValidationError as error:
        raise FeedError(f"{path}: {error}".replace("`$.", "`").replace("Object contains", "there is an")) from None


def instruments_of(options: dict[str, InstrumentOptions], where: Path) -> list[Instrument]:
    """
    Return the instruments of a file.

    Raises:
        FeedError: there is none.
    """
    if not options:
        raise FeedError(f"{where}: no instrument is named; add a table such as [instruments.EURUSD] with pip_size = 5")
    return [
        Instrument(
            id=each,
            display_name=of.display_name or of.symbol or each,
            categories=[of.market or market_of_pair(each) or "Stocks"],
            pip_size=of.pip_size,
        )
        for each, of in options.items()
    ]
