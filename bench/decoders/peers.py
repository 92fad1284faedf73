"""Decoders in Python, each fed with the chunks of a stream; an answer is the number of its events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import httpx
import httpx2
import httpx_sse
import ld_eventsource.reader  # type: ignore[import-untyped]
import sseclient

from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent

HEADERS = {"content-type": "text/event-stream"}

Decode = Callable[[list[bytes]], int]


class Chunks(httpx.SyncByteStream, httpx2.SyncByteStream):
    """Chunks that are there already, as each of the clients wants them."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        """Nothing to close."""


def count(events: Iterable[object]) -> int:
    """Return how many there are, in a loop of C: it costs the decoders the same and little."""
    numbered = deque(enumerate(events, 1), maxlen=1)
    return numbered[0][0] if numbered else 0


def pricewire(chunks: list[bytes]) -> int:
    """Decode with Pricewire."""
    decoder = EventStreamDecoder()
    return sum(len(decoder.feed(chunk)) for chunk in chunks)


def launchdarkly(chunks: list[bytes]) -> int:
    """Decode with launchdarkly-eventsource, its lines and its events, without the client around them."""
    lines = ld_eventsource.reader._BufferedLineReader.lines_from(chunks)
    return count(ld_eventsource.reader._SSEReader(lines).events_and_comments())


def sseclient_py(chunks: list[bytes]) -> int:
    """Decode with sseclient-py."""
    return count(sseclient.SSEClient(iter(chunks)).events())


def httpx_sse_decoder(chunks: list[bytes]) -> int:
    """Decode with httpx-sse, from a response of httpx."""
    return count(httpx_sse.EventSource(httpx.Response(200, headers=HEADERS, stream=Chunks(chunks))).iter_sse())


def httpx2_decoder(chunks: list[bytes]) -> int:
    """Decode with httpx2's own, from a response of it."""
    response = httpx2.Response(200, headers=HEADERS, stream=Chunks(chunks), request=httpx2.Request("GET", "http://localhost/"))
    return count(httpx2.EventSource(response, max_event_size=None))


DECODERS: dict[str, Decode] = {
    "pricewire": pricewire,
    "launchdarkly-eventsource": launchdarkly,
    "sseclient-py": sseclient_py,
    "httpx-sse": httpx_sse_decoder,
    "httpx2": httpx2_decoder,
}


def objects_alone(events: list[ServerSentEvent]) -> int:
    """Make as many events again out of texts that are there: what a compiled decoder would have to do as well."""
    return len([ServerSentEvent("message", event.data, event.last_event_id, event.origin) for event in events])
