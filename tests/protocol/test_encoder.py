"""The encoder: what it writes is read back, and what would break the stream is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import ProtocolError
from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent
from pricewire.protocol.encoder import HEARTBEAT, encode_event

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=10)
EVENT = st.fixed_dictionaries(
    {"data": TEXT},
    optional={"event_id": NAME, "event_type": NAME, "retry": st.integers(0, 10**12)},
)


@given(st.lists(EVENT, max_size=10), st.lists(st.integers(1, 30)))
def test_what_is_encoded_and_cut_anywhere_decodes_to_itself(events: list[dict[str, object]], cuts: list[int]) -> None:
    stream = HEARTBEAT.join(encode_event(**event) for event in events)  # type: ignore[arg-type]
    decoder, read, expected, last_id = EventStreamDecoder(), [], [], ""
    for size in [*cuts, len(stream)]:
        read += decoder.feed(stream[:size])
        stream = stream[size:]
    for event in events:
        last_id = str(event.get("event_id", last_id))
        data = re.sub("\r\n|\r", "\n", str(event["data"]))
        expected.append(ServerSentEvent(str(event.get("event_type", "message")), data, last_id))
    assert read == expected
    assert decoder.last_event_id == last_id
    assert decoder.retry == next((event["retry"] for event in reversed(events) if "retry" in event), None)


def test_the_bytes() -> None:
    assert encode_event("a\nb", event_id="7", event_type="tick", retry=10) == b"id: 7\nevent: tick\nretry: 10\ndata: a\ndata: b\n\n"
    assert encode_event(b"{}") == b"data: {}\n\n"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event_id": "a\nb"}, r"id 'a\\nb' holds '\\n'"),
        ({"event_id": "a\rb"}, r"holds '\\r'"),
        ({"event_id": "a\0b"}, r"holds '\\x00'"),
        ({"event_type": "a\nb"}, r"type 'a\\nb' holds '\\n'"),
        ({"event_type": "a\rb"}, r"holds '\\r'"),
        ({"retry": -1}, "retry of -1 ms is negative"),
        ({"event_id": "\ud800"}, "cannot be encoded as UTF-8"),
        ({"data": "\ud800"}, "cannot be encoded as UTF-8"),
    ],
)
def test_what_would_break_the_stream_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        encode_event(**{"data": "x", **fields})  # type: ignore[arg-type]
