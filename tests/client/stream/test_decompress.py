from __future__ import annotations

import gzip
import tracemalloc
import zlib

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.client.stream.decompress import PIECE, Inflater, plain_chunks
from pricewire.client.stream.event_source import EventSource
from pricewire.errors import ClientError, ConnectError, EventTooLargeError
from support.raw_server import RawServer, stream
from support.sources import NO_CONTENT, QUICK


def raw_deflate(data: bytes) -> bytes:
    state = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return state.compress(data) + state.flush()


@given(st.binary(max_size=100_000), st.sampled_from([("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]))
@settings(max_examples=30)
def test_what_was_compressed_comes_out_in_pieces(data: bytes, way: tuple[str, object]) -> None:
    coding, compress = way
    assert callable(compress)
    compressed = compress(data)
    for size in (len(compressed), 1):
        inflater = Inflater(coding)
        pieces = [piece for start in range(0, len(compressed), size) for piece in inflater.inflate(compressed[start : start + size])]
        assert b"".join(pieces) == data
        assert all(0 < len(piece) <= PIECE for piece in pieces)


def test_several_members_are_one_body() -> None:
    assert b"".join(Inflater("gzip").inflate(gzip.compress(b"a") + gzip.compress(b"b"))) == b"ab"


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_broken_body_is_an_error(coding: str) -> None:
    with pytest.raises(zlib.error):
        list(Inflater(coding).inflate(b"no compression at all"))


async def test_a_bomb_costs_bounded_memory() -> None:
    events: list[object] = []
    errors: list[ClientError] = []
    bomb = gzip.compress(b"x" * 200_000_000, compresslevel=1)
    async with RawServer(stream(bomb, content_encoding="gzip")) as server:
        source = EventSource(server.url, reconnect=QUICK, max_event_size=1_000_000, on_error=errors.append, on_message=events.append)
        tracemalloc.start()
        with pytest.raises(EventTooLargeError):
            await source.run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert events == errors == []
    assert len(server.connections) == 1
    assert peak < 10_000_000


async def test_a_bomb_of_events_is_read_at_the_readers_pace() -> None:
    bomb = gzip.compress(b"data: a\n\n" * 5_000_000, compresslevel=1)
    async with RawServer(stream(bomb, content_encoding="gzip")) as server, EventSource(server.url) as source:
        tracemalloc.start()
        for _ in range(1000):
            await anext(source)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("coding", "body", "complaint"),
    [("br", b"x", "'br'; only gzip, deflate"), ("gzip, gzip", b"x", "only gzip"), ("gzip", b"plain", "no gzip")],
)
async def test_what_cannot_be_inflated_is_a_clear_error(coding: str, body: bytes, complaint: str) -> None:
    errors: list[ClientError] = []
    async with (
        RawServer(stream(body, content_encoding=coding), NO_CONTENT) as server,
        EventSource(server.url, reconnect=QUICK, on_error=errors.append) as source,
    ):
        assert [event async for event in source] == []
    assert isinstance(errors[0], ConnectError)
    assert complaint in str(errors[0])


async def test_a_body_that_is_not_compressed_passes_as_it_is() -> None:
    response = httpx2.Response(200, headers={"content-encoding": "identity"}, stream=httpx2.ByteStream(b"data: a"))
    assert [chunk async for chunk in plain_chunks(response)] == [b"data: a"]
