"""The decoder against the shared vectors, against any cut, and at its limit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import EventTooLargeError
from pricewire.protocol.decoder import MAX_RETRY, EventStreamDecoder, ServerSentEvent

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "event_stream.json").read_text())

Outcome = tuple[list[ServerSentEvent], str, int | None]


def decode(chunks: Iterable[bytes]) -> Outcome:
    decoder = EventStreamDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events, decoder.last_event_id, decoder.retry


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['section']} {vector['name']}")
def test_vectors_whole_and_at_every_cut(vector: dict[str, Any]) -> None:
    stream = vector["input"].encode("latin-1")
    expected: Outcome = (
        [ServerSentEvent(**event) for event in vector["events"]],
        vector["last_event_id"],
        vector["retry"],
    )
    assert decode([stream]) == expected
    assert decode(bytes([byte]) for byte in stream) == expected
    for place in range(len(stream) + 1):
        assert decode([stream[:place], b"", stream[place:]]) == expected, place


FRAGMENTS = [
    b"data",
    b"id",
    b"event",
    b"retry",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"7",
    b"x",
    b"\xef\xbb\xbf",
    b"\xe2\x82\xac",
    b"\xff",
]


@given(st.lists(st.sampled_from(FRAGMENTS)).map(b"".join) | st.binary(), st.lists(st.integers(min_value=0)))
def test_the_answer_never_depends_on_the_cuts(stream: bytes, places: list[int]) -> None:
    assert decode(cut(stream, places)) == decode([stream])


def test_the_last_event_id_of_earlier_connections_is_kept() -> None:
    decoder = EventStreamDecoder(last_event_id="41", origin="https://example.com")
    assert decoder.feed(b"data: a\n\n") == [ServerSentEvent("message", "a", "41", "https://example.com")]
    assert decoder.last_event_id == "41"


def test_a_retry_of_thousands_of_digits_is_the_longest_wait() -> None:
    assert decode([b"retry: " + b"9" * 10_000 + b"\n"])[2] == MAX_RETRY


@pytest.mark.parametrize("chunk", [b"a" * 100, b"data: " + b"a" * 94, b"data: " + b"a" * 93 + b"\n", b"\ndata: " + b"a" * 93])
def test_an_unfinished_event_beyond_the_limit_is_refused(chunk: bytes) -> None:
    decoder = EventStreamDecoder(max_event_size=10 * len(chunk))
    for _ in range(9):
        decoder.feed(chunk)
    with pytest.raises(EventTooLargeError, match="exceeds the limit of 1000 bytes"):
        [decoder.feed(chunk) for _ in range(2)]


def test_events_and_comments_within_the_limit_never_add_up_to_it() -> None:
    decoder = EventStreamDecoder(max_event_size=100)
    for _ in range(1000):
        assert len(decoder.feed(b"\ndata: " + b"a" * 80 + b"\n")) <= 1
        decoder.feed(b":\n")
        decoder.feed(b"\n:")
        decoder.feed(b"\n")
