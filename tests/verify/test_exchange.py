"""Responses as they are recorded: their heads, chunks and compression, whole, byte by byte, and wrong ones."""

from __future__ import annotations

import zlib

import pytest

from pricewire.verify import record
from pricewire.verify.exchange import MAX_RECORDED, End, Exchange
from pricewire.verify.scanner import Place

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def bytewise(data: bytes, *, method: str = "GET") -> Exchange:
    return record("test", ((float(place), data[place : place + 1]) for place in range(len(data))), method=method)


@pytest.mark.parametrize("make", [lambda data: record("test", [(1.0, data)]), bytewise], ids=["whole", "byte by byte"])
def test_chunks_are_read_in_every_chunking(make: object) -> None:
    assert callable(make)
    exchange = make(CHUNKED + b"b;name=x\r\nid: 1\r\ndata\r\n6\r\n: a\r\n\r\r\n3\r\n\n: \r\n0\r\n\r\n")
    assert exchange.problem == ""
    assert exchange.is_complete
    assert exchange.is_stream
    assert exchange.body == b"id: 1\r\ndata: a\r\n\r\n: "
    assert [(each.event.data, each.event.last_event_id, each.has_id) for each in exchange.arrivals] == [("a", "1", True)]
    assert [line.end for line in exchange.scanner.lines] == [b"\r\n"] * 3
    assert [line.offset for line in exchange.scanner.lines] == [0, 7, 16]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"HTTP/2 200 OK\r\n", "no HTTP/1.1"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no head"),
        (b"HTTP/1.1 OK\r\n\r\n", "no head"),
        (b"HTTP/1.1 200 OK\r\n bad: 1\r\n\r\n", "no head"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, "longer than"),
        (CHUNKED + b"xyz\r\n", "a chunk begins or ends"),
        (CHUNKED + b"1\r\nab\r\n", "a chunk begins or ends"),
        (CHUNKED + b"1" * 300, "a chunk begins or ends"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "only 'chunked' may be"),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "both"),
        (HEAD + b"Content-Length: -3\r\n\r\n", "no number"),
        (HEAD + b"Content-Encoding: br\r\n\r\n", "nobody asked for"),
        (HEAD + b"Content-Encoding: gzip\r\n\r\nnone", "cannot be read"),
    ],
)
def test_what_is_no_response_is_said(data: bytes, problem: str) -> None:
    assert problem in record("test", [(0.0, data)]).problem


def test_a_response_without_chunks_ends_with_its_connection_or_its_length() -> None:
    exchange = record("test", [(0.0, HEAD + b"\r\ndata: 1\n\n")])
    exchange.finish(End.CLOSED, 2.0)
    assert exchange.is_complete
    assert record("test", [(0.0, HEAD + b"Content-Length: 2\r\n\r\nabc")]).body == b"ab"


def test_an_interim_response_is_passed_over() -> None:
    exchange = record("test", [(0.0, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD), (3.0, b"\r\n:\n")])
    assert exchange.response.status == 200
    assert exchange.head_at == 3.0
    assert exchange.body == b":\n"


def test_compressed_events_come_when_they_are_flushed() -> None:
    deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    first = deflate.compress(b"data: 1\n\n") + deflate.flush(zlib.Z_SYNC_FLUSH)
    second = deflate.compress(b"data: 2\n\n")
    exchange = record("test", [(0.0, HEAD + b"Content-Encoding: gzip\r\n\r\n"), (1.0, first), (2.0, second), (3.0, deflate.flush())])
    assert [(each.event.data, each.at) for each in exchange.arrivals] == [("1", 1.0), ("2", 3.0)]


def test_the_place_where_bytes_end_is_known() -> None:
    exchange = record("test", [(0.0, HEAD + b"\r\n"), (1.0, b": beat"), (2.0, b"\ndata: 1\r"), (3.0, b"\n"), (4.0, b"\r\n")])
    assert exchange.places == [Place.IN_A_LINE, Place.BEFORE_THE_BLANK_LINE, Place.BEFORE_THE_BLANK_LINE, Place.BETWEEN_EVENTS]
    assert [each.at for each in exchange.arrivals] == [4.0]


def test_what_follows_the_head_of_an_answer_to_head_is_a_body_that_must_not_be() -> None:
    assert record("test", [(0.0, CHUNKED)], method="HEAD").pieces == []
    assert record("test", [(0.0, CHUNKED + b"x")], method="HEAD").body == b"x"


def test_what_expands_without_an_end_is_not_kept() -> None:
    deflate = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    bomb = deflate.compress(bytes(MAX_RECORDED + 1)) + deflate.flush()
    exchange = record("test", [(0.0, HEAD + b"Content-Encoding: gzip\r\n\r\n"), (1.0, bomb)])
    assert "expands to more than" in exchange.problem
    assert exchange.pieces == []


def test_an_event_of_bytes_that_grow_when_they_are_decoded_is_read() -> None:
    exchange = record("test", [(0.0, HEAD + b"\r\n"), (1.0, b"data: " + b"\xff" * 6_000_000 + b"\n\n")])
    assert len(exchange.arrivals[0].event.data) == 6_000_000
