from __future__ import annotations

import contextlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.parsing import EnvelopeDecoder, TypedDecoder, all_finite, decode_error, read_error, read_stale_topic
from pricewire.errors import DecodeError
from pricewire.protocol.messages import Candle, Envelope, Tick, TickBody

TICK = '{"epoch_ms":"1796000000000","price":"1.5","ask":"1.6","bid":"1.4","instrument_id":"R_100","new":[1]}'
CANDLE = (
    '{"open_epoch_ms":"60000","open":"1","high":"3","low":"0.5","close":"2","close_epoch_ms":"120000",'
    '"instrument_id":"R_100","granularity":60}'
)


def envelope(event: str, topic: str, data: str) -> str:
    return f'{{"event":"{event}","subscription_id":"{topic}","seq":1041,"merged":7,"data":{data}}}'


def test_envelopes_are_typed_by_their_event() -> None:
    decoder = EnvelopeDecoder()
    tick = Tick("R_100", 1796000000000, Decimal("1.5"), Decimal("1.6"), Decimal("1.4"))
    assert decoder.decode(envelope("tick", "ticks:R_100", TICK)) == Envelope("tick", "ticks:R_100", 1041, tick, 7)
    candle = Candle("R_100", 60, 60000, Decimal(1), Decimal(3), Decimal("0.5"), Decimal(2), 120000)
    assert decoder.decode(envelope("candle", "candles:R_100:60", CANDLE)).data == candle
    assert decoder.decode(envelope("novelty", "x:y", '{"a":1}')).data == {"a": 1}


@pytest.mark.parametrize("data", ["", "nonsense", "[1]", "{}", "[" * 100_000, envelope("tick", "ticks:R_100", "{}")])
def test_what_does_not_fit_is_a_decode_error(data: str) -> None:
    with pytest.raises(DecodeError) as raised:
        EnvelopeDecoder().decode(data)
    assert raised.value.data == data
    assert raised.value.topic == ("ticks:R_100" if "ticks" in data else "")
    assert raised.value.__cause__ is not None


@given(
    st.text()
    | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    .map(msgspec.json.encode)
    .map(bytes.decode)
)
def test_only_decode_errors_come_out(data: str) -> None:
    for decode in (EnvelopeDecoder().decode, TypedDecoder(Envelope[Tick]).decode, TypedDecoder(object).decode):
        with contextlib.suppress(DecodeError):
            decode(data)
    assert read_stale_topic(data) is None
    assert read_error(data) is None
    assert decode_error(data, "x").detail == "x"


def test_errors_and_stale_topics() -> None:
    error = read_error(b'{"error":{"code":"A","message":"b"}}')
    assert error is not None
    assert (error.code, error.message) == ("A", "b")
    assert read_error("{" * 100_000) is None
    assert read_stale_topic('{"topic":"ticks:R_100","since_epoch_ms":"1"}') == "ticks:R_100"


@pytest.mark.parametrize("price", ["1000000000000000000000.00", "0.12345678901234567890123456789012345", "1e21", "1E-30", "-0.10"])
def test_prices_keep_every_digit(price: str) -> None:
    tick = TICK.replace('"price":"1.5"', f'"price":"{price}"')
    data = EnvelopeDecoder().decode(envelope("tick", "ticks:R_100", tick)).data
    assert isinstance(data, Tick)
    assert data.price.as_tuple() == Decimal(price).as_tuple()
    plain = TypedDecoder(Tick).decode(tick.replace(f'"{price}"', price) if price[0] != "." else tick)
    assert plain.price.as_tuple() == Decimal(price).as_tuple(), "a server that sends numbers is read as exactly"


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_prices_are_finite(bad: str) -> None:
    tick = Tick("R_100", 1, Decimal(1), Decimal(1), Decimal(1))
    candle = Candle("R_100", 60, 0, Decimal(1), Decimal(1), Decimal(1), Decimal(1), 60000)
    assert all_finite(tick)
    assert all_finite(candle)
    for field in ("price", "ask", "bid"):
        assert not all_finite(msgspec.structs.replace(tick, **{field: Decimal(bad)}))
    for field in ("open", "high", "low", "close"):
        assert not all_finite(msgspec.structs.replace(candle, **{field: Decimal(bad)}))


def test_a_tick_has_a_source_where_it_was_sent_with_one() -> None:
    tick = Tick("GOLD", 1_767_225_600_000, Decimal("2"), Decimal("3"), Decimal("1"), "primary")
    sent = msgspec.json.encode(TickBody.of(tick)).decode()
    assert TypedDecoder(Tick).decode(sent) == tick
    plain = msgspec.structs.replace(tick, source=None)
    sent = msgspec.json.encode(TickBody.of(plain)).decode()
    assert "source" not in sent
    assert TypedDecoder(Tick).decode(sent) == plain
