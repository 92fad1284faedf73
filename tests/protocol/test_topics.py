"""Topics: text to object and back, and clear errors."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import InvalidTopicError
from pricewire.protocol.numbers import shortest
from pricewire.protocol.topics import (
    ACCOUNT_UUID,
    CURRENCY,
    GRANULARITIES,
    INSTRUMENT_ID,
    BalanceTopic,
    CandlesTopic,
    ClosedContractsTopic,
    ContractPriceTopic,
    ContractsTopic,
    OpenContractsTopic,
    ProposalTopic,
    TicksTopic,
    Topic,
    parse_topic,
)
from pricewire.protocol.trading_messages import DurationUnit, ProductId, TradeType

INSTRUMENT = st.from_regex(INSTRUMENT_ID, fullmatch=True)
ACCOUNT = st.from_regex(ACCOUNT_UUID, fullmatch=True)
AMOUNT = st.decimals(0, 10**9, places=4).map(shortest)
BARRIER = st.builds("{}{}".format, st.sampled_from(["", "+", "-"]), AMOUNT)
TOPIC = st.one_of(
    st.builds(TicksTopic, INSTRUMENT),
    st.builds(CandlesTopic, INSTRUMENT, st.sampled_from(GRANULARITIES)),
    st.builds(
        ProposalTopic,
        st.sampled_from(get_args(ProductId)),
        INSTRUMENT,
        st.integers(1, 10**9 - 1),
        st.sampled_from(get_args(DurationUnit)),
        AMOUNT.map(Decimal),
        st.booleans(),
        st.none() | BARRIER,
    ),
    st.builds(
        ContractPriceTopic,
        st.sampled_from(get_args(TradeType)),
        INSTRUMENT,
        st.integers(1, 10**9 - 1),
        st.sampled_from(get_args(DurationUnit)),
        st.from_regex(CURRENCY, fullmatch=True),
        AMOUNT.map(Decimal),
        st.none() | BARRIER,
    ),
    *(st.builds(kind, ACCOUNT) for kind in (ContractsTopic, BalanceTopic)),
    *(st.builds(kind, ACCOUNT, st.just("") | ACCOUNT) for kind in (OpenContractsTopic, ClosedContractsTopic)),
)


@given(TOPIC)
def test_a_topic_is_read_back_from_its_text(topic: Topic) -> None:
    assert parse_topic(str(topic)) == topic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "topic '' is none of"),
        ("ticks", "instrument '' is not 1 to 64"),
        ("ticks:", "instrument '' is not 1 to 64"),
        ("ticks:a b", "instrument 'a b'"),
        ("ticks:R_100:60", "instrument 'R_100:60'"),
        ("ticks:" + "a" * 65, "is not 1 to 64"),
        ("ticks:R_100\n", "is not 1 to 64"),
        ("Ticks:R_100", "is none of"),
        ("candles:R_100", "granularity '' is none of 60, 120"),
        ("candles:R_100:61", "granularity '61' is none of"),
        ("candles:R_100:060", "granularity '060' is none of"),
        ("candles:R_100:60:60", "granularity '60:60'"),
        ("balance:", "account '' is not 1 to 64"),
        ("contracts:a:b", "account 'a:b'"),
        ("open_contracts:ä", "account 'ä'"),
        ("open_contracts:a:", "contract '' is not 1 to 64"),
        ("closed_contracts:a:b:c", "contract 'b:c'"),
        ("closed_contracts::b", "account ''"),
        ("proposal", "is not of the form 'proposal:"),
        ("proposal:rise_fall:R_100:5:minutes:10", "is not of the form"),
        ("proposal:asian:R_100:5:minutes:10:false", "product 'asian' is none of rise_fall, high_low, touch"),
        ("proposal:touch:R 100:5:minutes:10:false", "instrument 'R 100'"),
        ("proposal:touch:R_100:05:minutes:10:false", "duration '05'"),
        ("proposal:touch:R_100:5:weeks:10:false", "unit 'weeks' is none of ticks, seconds"),
        ("proposal:touch:R_100:5:minutes:1e3:false", "stake '1e3'"),
        ("proposal:touch:R_100:5:minutes:-1:false", "stake '-1'"),
        ("proposal:touch:R_100:5:minutes:10:False", "allow_equals 'False'"),
        ("proposal:touch:R_100:5:minutes:10:false:", "barrier ''"),
        ("proposal:touch:R_100:5:minutes:10:false:+-1", "barrier '[+]-1'"),
        ("proposal:touch:R_100:5:minutes:10:false:NaN", "barrier 'NaN'"),
        ("contract_price:CALL:R_100:5:minutes:USD", "is not of the form 'contract_price:"),
        ("contract_price:call:R_100:5:minutes:USD:10", "trade type 'call' is none of CALL, PUT"),
        ("contract_price:CALL:R_100:5:minutes:usd:10", "currency 'usd'"),
        ("contract_price:CALL:R_100:5:minutes:USD:1e9", "payout '1e9'"),
        ("contract_price:CALL:R_100:5:minutes:USD:10:x", "strike 'x'"),
    ],
)
def test_what_is_no_topic_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(InvalidTopicError, match=message):
        parse_topic(text)


def test_all_who_ask_for_the_same_contract_have_one_topic() -> None:
    asked = ["10:false:+0.50", "10.00:false:+0.5", "010.0:false:+00.500"]
    assert {str(parse_topic(f"proposal:touch:R_100:5:minutes:{each}")) for each in asked} == {
        "proposal:touch:R_100:5:minutes:10:false:+0.5",
    }
