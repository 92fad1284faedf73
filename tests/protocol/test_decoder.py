"""The decoder, in Python and compiled, against the shared vectors, against any cut, and at its limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire._native import core
from pricewire.errors import EventTooLargeError
from pricewire.protocol.decoder import BOM, MAX_RETRY, EventStreamDecoder, PythonDecoder, ServerSentEvent

LIMITS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "event_limits.json").read_text())
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "event_stream.json").read_text())

Outcome = tuple[list[ServerSentEvent], str, int | None]

Make = Callable[..., EventStreamDecoder]
"""Makes a decoder: in Python, or compiled."""

pytestmark = pytest.mark.parametrize(
    "make",
    [
        pytest.param(PythonDecoder, id="python"),
        pytest.param(EventStreamDecoder, id="compiled", marks=pytest.mark.skipif(core is None, reason="nothing was compiled")),
    ],
)


def decode(make: Make, chunks: Iterable[bytes]) -> Outcome:
    decoder = make()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events, decoder.last_event_id, decoder.retry


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['section']} {vector['name']}")
def test_vectors_whole_and_at_every_cut(make: Make, vector: dict[str, Any]) -> None:
    stream = vector["input"].encode("latin-1")
    expected: Outcome = (
        [ServerSentEvent(**event) for event in vector["events"]],
        vector["last_event_id"],
        vector["retry"],
    )
    assert decode(make, [stream]) == expected
    assert decode(make, (bytes([byte]) for byte in stream)) == expected
    for place in range(len(stream) + 1):
        assert decode(make, [stream[:place], b"", stream[place:]]) == expected, place


FRAGMENTS = [
    b"id: 7\ndata: x\n\n",
    b"id: ",
    b"\ndata: ",
    b"\n\n",
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


def by_the_book(stream: bytes) -> Outcome:
    """Follow sections 9.2.5 and 9.2.6 step by step, slowly."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    events: list[ServerSentEvent] = []
    data, event_type, last_event_id, dispatched_id, retry = "", "", "", "", None
    for line in lines:
        if line == "":
            dispatched_id = last_event_id
            if data:
                events.append(ServerSentEvent(event_type or "message", data.removesuffix("\n"), last_event_id))
            data, event_type = "", ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data += value + "\n"
        elif name == "event":
            event_type = value
        elif name == "id" and "\0" not in value:
            last_event_id = value
        elif name == "retry" and value and all(character in "0123456789" for character in value):
            retry = int(value)
    return events, dispatched_id, retry


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(b"".join) | st.binary(), st.lists(st.integers(min_value=0)))
def test_the_answer_is_that_of_the_standard_whatever_the_cuts(make: Make, stream: bytes, places: list[int]) -> None:
    expected = by_the_book(stream)
    assert decode(make, [stream]) == expected
    assert decode(make, cut(stream, places)) == expected


@given(st.lists(st.sampled_from([b"id: 7\ndata: x\n\n"] * 6 + FRAGMENTS), max_size=30).map(b"".join), st.integers(1, 40))
def test_a_stream_that_is_mostly_plain(make: Make, stream: bytes, size: int) -> None:
    assert decode(make, (stream[start : start + size] for start in range(0, len(stream), size))) == by_the_book(stream)


def decode_within(make: Make, limit: int, chunks: Iterable[bytes]) -> tuple[list[ServerSentEvent], bool]:
    """Return the events before the first that is too large, and whether there is one."""
    decoder = make(max_event_size=limit)
    events: list[ServerSentEvent] = []
    for chunk in chunks:
        if decoder.has_failed:
            break
        try:
            events += decoder.feed(chunk)
        except EventTooLargeError:
            break
    if not decoder.has_failed:
        return events, False
    with pytest.raises(EventTooLargeError) as raised:
        decoder.feed(b"")
    assert raised.value.size > raised.value.limit == limit
    return events, True


def limited_by_the_book(limit: int, stream: bytes) -> tuple[list[ServerSentEvent], bool]:
    """Follow the rule of `EventStreamDecoder` for sizes line by line, slowly."""
    stream = b"" if b"\xef\xbb\xbf".startswith(stream) else stream.removeprefix(b"\xef\xbb\xbf")
    *lines, last = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    fields: list[bytes] = []
    done = b""
    # What is no UTF-8 counts as the character that stands for it, once its line has ended.
    ended = [line.decode("utf-8", "replace").encode() for line in lines]
    for number, line in enumerate([*ended, last]):
        data, event_type, last_event_id = [], "", by_the_book(BOM + done)[1]
        for name, _, value in (field.decode("utf-8", "replace").partition(":") for field in fields):
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                event_type = value
            elif name == "id" and "\0" not in value:
                last_event_id = value
        own_id = "" if last_event_id == by_the_book(BOM + done)[1] else last_event_id
        if not line.startswith(b":") and len("\n".join(data).encode() + (event_type + own_id).encode() + line) > limit:
            return by_the_book(BOM + done)[0], True
        fields.append(line)
        if not line and number < len(ended):
            done += b"\n".join(fields) + b"\n"
            fields.clear()
    return by_the_book(BOM + done)[0], False


@pytest.mark.parametrize("vector", LIMITS, ids=lambda vector: vector["name"])
def test_the_limit_of_an_event_whole_byte_by_byte_and_cut_in_two(make: Make, vector: dict[str, Any]) -> None:
    """As in event_stream.json each character of a chunk stands for one byte."""
    limit = vector["limit"]
    texts = [chunk if isinstance(chunk, str) else chunk["repeat"] * chunk["times"] for chunk in vector["chunks"]]
    chunks = [text.encode("latin-1") for text in texts]
    expected = ([ServerSentEvent(event["type"], event["data"], event["id"]) for event in vector["events"]], vector["too_large"])
    assert decode_within(make, limit, chunks) == expected
    stream = b"".join(chunks)
    assert decode_within(make, limit, [stream]) == expected
    assert decode_within(make, limit, (bytes([byte]) for byte in stream)) == expected
    for place in range(min(len(stream), 200)):
        assert decode_within(make, limit, [stream[:place], stream[place:]]) == expected, place


@given(
    st.lists(st.sampled_from([*FRAGMENTS, b"data: ", b"event: ", b"id: 7\ndata: x\n\n"]), max_size=30).map(b"".join),
    st.integers(0, 30),
    st.lists(st.integers(min_value=0)),
)
def test_the_limit_is_that_of_the_rule_whatever_the_cuts(make: Make, stream: bytes, limit: int, places: list[int]) -> None:
    expected = limited_by_the_book(limit, stream)
    assert decode_within(make, limit, [stream]) == expected
    assert decode_within(make, limit, cut(stream, places)) == expected


def test_the_last_event_id_of_earlier_connections_is_kept(make: Make) -> None:
    decoder = make(last_event_id="41", origin="https://example.com")
    assert decoder.feed(b"data: a\n\n") == [ServerSentEvent("message", "a", "41", "https://example.com")]
    assert decoder.last_event_id == "41"


def test_a_retry_of_thousands_of_digits_is_the_longest_wait(make: Make) -> None:
    assert decode(make, [b"retry: " + b"9" * 10_000 + b"\n"])[2] == MAX_RETRY


@pytest.mark.parametrize("chunk", [b"a" * 100, b"data: " + b"a" * 94, b"data: " + b"a" * 93 + b"\n", b"\ndata: " + b"a" * 93])
def test_an_unfinished_event_beyond_the_limit_is_refused(make: Make, chunk: bytes) -> None:
    decoder = make(max_event_size=10 * len(chunk))
    for _ in range(9):
        decoder.feed(chunk)
    with pytest.raises(EventTooLargeError, match="exceeds the limit of 1000 bytes"):
        [decoder.feed(chunk) for _ in range(2)]


def test_events_and_comments_within_the_limit_never_add_up_to_it(make: Make) -> None:
    decoder = make(max_event_size=100)
    for _ in range(1000):
        assert len(decoder.feed(b"\ndata: " + b"a" * 80 + b"\n")) <= 1
        decoder.feed(b":\n")
        decoder.feed(b"\n:")
        decoder.feed(b"\n")
