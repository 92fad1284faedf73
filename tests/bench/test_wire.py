"""What the benchmark of the wire codes is what a reader would get."""

from __future__ import annotations

import zlib
from itertools import islice

import pytest
from bench.machine import Placement
from bench.wire import QUICK, SYNC_TAIL, deflate, frame, message, run, shared_gzip, varint, ways
from bench.workload import walks


def test_a_compressed_connection_carries_the_messages() -> None:
    code, reader = deflate(), zlib.decompressobj(-zlib.MAX_WBITS)
    for number, tick in enumerate(islice(walks(20), 200)):
        sent = message(tick, number)
        assert reader.decompress(code(sent) + SYNC_TAIL) == sent
        assert sent[0] == len(sent) - 1


def test_a_group_carries_the_events() -> None:
    code, reader = shared_gzip(), zlib.decompressobj(-zlib.MAX_WBITS)
    assert reader.decompress(code(b"data: 1\n\n")) + reader.decompress(code(b"data: 2\n\n")) == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize(("number", "expected"), [(0, b"\0"), (127, b"\x7f"), (300, b"\xac\x02")])
def test_whole_numbers(number: int, expected: bytes) -> None:
    # 300 is the example of the format's own documentation.
    assert varint(number) == expected


def test_a_frame_says_how_long_it_is() -> None:
    assert frame(b"ab") == b"\x82\x02ab"
    assert frame(b"a" * 126)[:4] == b"\x82\x7e\x00\x7e"


def test_each_way_is_measured() -> None:
    report = run(Placement(None, None), QUICK, lambda _: None)
    assert [row[0] for row in report.tables[0].rows] == [way.label for way in ways()]
    plain, packed = (float(row[2]) for row in report.tables[0].rows[:2])
    assert packed < plain / 4
