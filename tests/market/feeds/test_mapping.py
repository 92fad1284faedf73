"""Quotes of messages by paths, and what is said of those that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.feeds.mapping import MessageMapping, Quote
from pricewire.market.feeds.options import MessageOptions
from pricewire.protocol.messages import Tick, TickBody

NOON = 1_800_014_400_000
PLAIN: dict[str, Any] = {"symbol": "s", "bid": "b", "ask": "a", "time": "t"}


def quotes(message: object, channel: str = "", **options: Any) -> list[Quote]:
    found = list(MessageMapping(MessageOptions(**options)).quotes(message, channel))
    assert all(isinstance(each, Quote) for each in found), found
    return [each for each in found if isinstance(each, Quote)]


def fault(message: object, **options: Any) -> str:
    (found,) = MessageMapping(MessageOptions(**{**PLAIN, **options})).quotes(message, "")
    assert isinstance(found, TickRejectedError)
    return f"{found.reason}: {found}"


def test_our_own_ticks_need_no_mapping() -> None:
    body = TickBody.of(Tick("EURUSD", NOON, Decimal("1.10005"), Decimal("1.10010"), Decimal("1.10000")))
    message = msgspec.json.decode(msgspec.json.encode(body))
    assert list(MessageMapping(None).quotes(message, "")) == [Quote("EURUSD", Decimal("1.10000"), Decimal("1.10010"), NOON, None)]


def test_several_ticks_in_one_message() -> None:
    tick = {"s": "X", "b": "1.1", "a": 1.2, "t": NOON, "n": 7}
    quote = Quote("X", Decimal("1.1"), Decimal("1.2"), NOON, 7)
    assert quotes({"data": [{"rows": [tick, tick]}]}, ticks="data[0].rows", sequence="n", **PLAIN) == [quote, quote]
    by_key = {"by.name": {"X": {"q": [1.1, 1.2]}, "Y": {"q": [3, 4]}}}
    found = quotes(by_key, ticks='["by.name"]', symbol="@key", bid="q[0]", ask="q[-1]")
    assert [(each.symbol, each.bid, each.ask, each.epoch_ms) for each in found] == [
        ("X", Decimal("1.1"), Decimal("1.2"), None),
        ("Y", 3, 4, None),
    ]


def test_the_channel_is_a_symbol_and_one_price_is_both() -> None:
    assert quotes({"p": 5}, "prices.X", symbol="@channel", price="p") == [Quote("prices.X", Decimal(5), Decimal(5), None, None)]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (1_800_014_400, "s"),
        (1_800_014_400.123, "s"),
        ("1800014400.123", "s"),
        (NOON + 123, "ms"),
        (str(NOON + 123), "ms"),
        ((NOON + 123) * 1000 + 999, "us"),
        ((NOON + 123) * 1_000_000 + 999_999, "ns"),
        ("2027-01-15T12:00:00.123Z", "text"),
        ("2027-01-15T13:00:00.123+01:00", "text"),
        ("2027.01.15 12:00:00.123", "text"),
        (datetime(2027, 1, 15, 12, 0, 0, 123_456, UTC), "ms"),
    ],
)
def test_times(value: object, form: str) -> None:
    (quote,) = quotes({"p": 1, "t": value}, price="p", time="t", time_format=form)
    assert quote.epoch_ms in (NOON + 123, NOON)
    assert (quote.epoch_ms == NOON) == (value == 1_800_014_400)


def test_a_time_without_a_zone_is_in_the_one_that_is_named() -> None:
    (quote,) = quotes({"p": 1, "t": "2027-01-15 07:00:00"}, price="p", time="t", time_format="text", timezone="America/New_York")
    assert quote.epoch_ms == NOON


def test_prices_are_exact_and_have_a_factor() -> None:
    assert quotes({"p": 1.1}, price="p")[0].bid == Decimal("1.1")
    assert quotes({"p": 110_005}, price="p", factor=0.00001)[0].bid == Decimal("1.10005")
    assert quotes({"p": "1.10005"}, price="p", factor=100.0)[0].bid == Decimal("110.005")


def test_a_message_of_something_else_does_not_concern() -> None:
    mapping = MessageMapping(MessageOptions(price="p", where={"type": "tick", "ok": True}))
    assert mapping.concerns({"type": "tick", "ok": True})
    assert not mapping.concerns({"type": "ack", "ok": True})
    assert not mapping.concerns({"type": "tick", "ok": 1})
    assert not mapping.concerns([1])


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"s": "X", "ask": 1}, "path: bid: path 'b' found nothing: the message has s, ask"),
        ([1, 2], "path: symbol: path 's' found nothing: the message is a list of 2"),
        ("text", "path: symbol: path 's' found nothing: the message is 'text'"),
        ({"s": None}, "path: symbol: path 's' found null, which is no name"),
        ({"s": "X", "b": None}, "price: bid: path 'b' found null, which is not a positive number"),
        ({"s": "X", "b": float("nan")}, "price: bid: path 'b' found null, which is not a positive number"),
        ({"s": "X", "b": "1e400"}, "price: bid: path 'b' found \"1e400\", which is not a positive number"),
        ({"s": "X", "b": "NaN"}, "price: bid: path 'b' found \"NaN\", which is not a positive number"),
        ({"s": "X", "b": 10**40}, "price: bid: path 'b' found 1" + 40 * "0" + ", which is not a positive number"),
        ({"s": "X", "b": -1}, "price: bid: path 'b' found -1, which is not a positive number"),
        ({"s": "X", "b": True}, "price: bid: path 'b' found true, which is not a positive number"),
        ({"s": "X", "b": "١"}, "price: bid: path 'b' found \"١\", which is not a positive number"),
        ({"s": "X", "b": "1_0"}, "price: bid: path 'b' found \"1_0\", which is not a positive number"),
        ({"s": "X", "b": "9" * 5000}, "price: bid: path 'b' found \"" + "9" * 159 + "… (5002 characters), which is not a positive number"),
        ({"s": "X", "b": 1, "a": 2, "t": "soon"}, "time: time: path 't' found \"soon\", which is not a number of ms since 1970"),
        (
            {"s": "X", "b": 1, "a": 2, "t": 1_800_014_400},
            "time: time: path 't' found 1800014400, before 1973 or after 5138 in ms: see time_format",
        ),
        ({"s": "X", "b": 1, "a": 2, "t": 1e25}, "time: time: path 't' found 1e25, before 1973 or after 5138 in ms: see time_format"),
    ],
)
def test_what_is_wrong_names_the_path_and_shows_the_value(message: object, text: str) -> None:
    assert fault(message) == text


def test_one_bad_tick_does_not_take_the_others_with_it() -> None:
    found = list(MessageMapping(MessageOptions(ticks="l", price="p")).quotes({"l": [{"p": 1}, {}, {"p": 2}]}, ""))
    assert [type(each) for each in found] == [Quote, TickRejectedError, Quote]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "name the paths of bid and ask, or that of price"),
        ({"bid": "b"}, "name the paths of bid and ask"),
        ({"bid": "b", "ask": "a", "price": "p"}, "name the paths of bid and ask"),
        ({"price": "p[x]"}, r"message.price: path 'p\[x\]' cannot be read from '\[x\]' on"),
        ({"price": ""}, "an empty path leads nowhere"),
        ({"price": "p", "factor": 0.0}, "message.factor 0.0 is not a positive number"),
        ({"price": "p", "factor": float("inf")}, "message.factor inf is not a positive number"),
        ({"price": "p", "timezone": "Mars"}, "time zone 'Mars'"),
        ({"price": "p", "symbol": "@key"}, "name the path of that object by ticks"),
    ],
)
def test_a_mapping_that_cannot_be_used(options: dict[str, Any], text: str) -> None:
    with pytest.raises(FeedError, match=text):
        MessageMapping(MessageOptions(**options))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["s", "b", "a", "t", "l"]) | st.text(), inner),
)


@settings(max_examples=25)
@given(DOCUMENTS)
def test_any_message_is_read_or_refused(document: object) -> None:
    for options in (PLAIN, {**PLAIN, "ticks": "l", "time_format": "text"}, {"price": "b[0].a", "sequence": "s", "factor": 1e-5}):
        for quote in MessageMapping(MessageOptions(**options)).quotes(document, "c"):
            assert isinstance(quote, TickRejectedError) or quote.bid > 0
