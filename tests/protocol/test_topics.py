"""Topics: text to object and back, and clear errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import InvalidTopicError
from pricewire.protocol.topics import GRANULARITIES, INSTRUMENT_ID, CandlesTopic, TicksTopic, Topic, parse_topic

INSTRUMENT = st.from_regex(INSTRUMENT_ID, fullmatch=True)
TOPIC = st.builds(TicksTopic, INSTRUMENT) | st.builds(CandlesTopic, INSTRUMENT, st.sampled_from(GRANULARITIES))


@given(TOPIC)
def test_a_topic_is_read_back_from_its_text(topic: Topic) -> None:
    assert parse_topic(str(topic)) == topic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "topic '' is neither"),
        ("ticks", "instrument '' is not 1 to 64"),
        ("ticks:", "instrument '' is not 1 to 64"),
        ("ticks:a b", "instrument 'a b'"),
        ("ticks:R_100:60", "instrument 'R_100:60'"),
        ("ticks:" + "a" * 65, "is not 1 to 64"),
        ("ticks:R_100\n", "is not 1 to 64"),
        ("Ticks:R_100", "is neither"),
        ("candles:R_100", "granularity '' is none of 60, 120"),
        ("candles:R_100:61", "granularity '61' is none of"),
        ("candles:R_100:060", "granularity '060' is none of"),
        ("candles:R_100:60:60", "granularity '60:60'"),
        ("balance:1", "is neither"),
    ],
)
def test_what_is_no_topic_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(InvalidTopicError, match=message):
        parse_topic(text)
