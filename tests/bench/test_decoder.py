"""Every decoder of the benchmark finds every event. Nothing here depends on how fast anything is."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

from bench.decoders.peers import DECODERS, Decode
from bench.decoders.source import decoder_stream
from bench.machine import Placement

from bench import decoder


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS.keys())
def test_a_decoder_finds_every_event_at_any_size_of_the_chunks(decode: Decode) -> None:
    stream = decoder_stream(100)
    for size in (*decoder.SIZES, 1):
        assert decode(decoder.cut(stream, size)) == 100


def test_a_quick_run_makes_a_report() -> None:
    report = decoder.run(Placement(None, None), decoder.QUICK, lambda _: None)
    assert [len(table.rows) for table in report.tables] == [len(DECODERS) + 1, 2]
    assert report.notes == []
