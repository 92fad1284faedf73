"""Event streams: the decoders in Python, compiled and, for one input in sixteen, the browser's, against the standard's own steps."""

from __future__ import annotations

import functools
import shutil
import zlib
from itertools import pairwise

from fuzz.finding import expect
from fuzz.source import Source
from fuzz.targets.browser import BUILT, Browser
from fuzz.targets.standard import Decoded, decode
from pricewire.errors import EventTooLargeError
from pricewire.protocol.decoder import MAX_RETRY, EventStreamDecoder, PythonDecoder, ServerSentEvent

CUTS = 4
"""How many cuts between chunks the input says."""

LIMITS = 200
"""The limits of an event, in bytes, with which the two decoders of Python must agree; the input says which."""

SHARE = 16
"""The browser's decoder takes one input in so many: asking it takes ten times as long."""


def check(data: bytes) -> None:
    """Decode a stream in chunks: the first bytes say where it is cut."""
    source = Source(data)
    places = [source.number() for _ in range(CUTS)]
    stream = source.rest()
    chunks = cut(stream, places)
    expected = decode(stream)
    agree("Python", expected, decoded(PythonDecoder(), chunks))
    if EventStreamDecoder is not PythonDecoder:
        agree("compiled", expected, decoded(EventStreamDecoder(), chunks))
        limit = zlib.crc32(data) % LIMITS
        in_python, compiled = (limited(make(max_event_size=limit), chunks) for make in (PythonDecoder, EventStreamDecoder))
        expect(in_python == compiled, f"with a limit of {limit} bytes: {compiled!r}, compiled, for {in_python!r}")
    # By the input itself, so that it does the same whenever it is tried.
    if zlib.crc32(data) % SHARE == 0 and (browser := the_browser()) is not None:
        agree("the browser", expected, browser.decode(chunks))


def cut(stream: bytes, distances: list[int]) -> list[bytes]:
    """Return a stream in chunks of these sizes and a last one of what is left; where all are 0, byte by byte."""
    if not any(distances):
        return [stream[place : place + 1] for place in range(len(stream))]
    places = [0]
    for distance in distances:
        places.append(places[-1] + distance)
    return [stream[start:end] for start, end in pairwise(places)] + [stream[places[-1] :]]


def decoded(decoder: EventStreamDecoder, chunks: list[bytes]) -> Decoded:
    """Return what a decoder makes of a stream."""
    events = [(event.type, event.data, event.last_event_id) for chunk in chunks for event in decoder.feed(chunk)]
    return Decoded(events, decoder.last_event_id, None if decoder.retry is None else str(decoder.retry))


def limited(decoder: EventStreamDecoder, chunks: list[bytes]) -> tuple[list[ServerSentEvent], str, int | None, str]:
    """Return what a decoder makes of a stream until an event is too large: its events, its id and retry, and what it raised."""
    events: list[ServerSentEvent] = []
    try:
        for chunk in [*chunks, b""]:
            events += decoder.feed(chunk)
    except EventTooLargeError as error:
        return events, decoder.last_event_id, decoder.retry, str(error)
    return events, decoder.last_event_id, decoder.retry, ""


def agree(who: str, expected: Decoded, found: Decoded) -> None:
    """
    Check that a decoder found what there was.

    Raises:
        Finding: it did not.
    """
    expect(found.events == expected.events, f"{who}: {found.events!r} for {expected.events!r}")
    expect(found.last_event_id == expected.last_event_id, f"{who}: last event id {found.last_event_id!r} for {expected.last_event_id!r}")
    expect(waiting(found.retry) == waiting(expected.retry), f"{who}: retry {found.retry!r} for {expected.retry!r}")


def waiting(retry: str | None) -> int | None:
    """Return a reconnection time, of which all beyond the longest are the same."""
    if retry is None:
        return None
    digits = retry.lstrip("0") or "0"
    return MAX_RETRY if len(digits) > len(str(MAX_RETRY)) else min(int(digits), MAX_RETRY)


@functools.cache
def the_browser() -> Browser | None:
    """Return the browser's decoder in a process of its own; None where Node or the built client is not there."""
    return Browser() if shutil.which("node") and BUILT.exists() else None
