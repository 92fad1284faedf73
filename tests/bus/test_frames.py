"""Frames as bytes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.bus.frames import (
    MAX_BYTES,
    POSITIONS,
    Forgotten,
    Frame,
    Gathering,
    Kept,
    Notified,
    Published,
    Record,
    TopicState,
    decode,
    encode,
)
from pricewire.errors import FrameError

TEXT = st.text(max_size=20)
NUMBER = st.integers(0, 2**63 - 1)
RECORD: st.SearchStrategy[Record] = st.one_of(
    st.builds(Published, TEXT, NUMBER, st.none() | TEXT, TEXT, st.none() | TEXT, st.binary(max_size=100)),
    st.builds(Notified, TEXT, TEXT, st.binary(max_size=100)),
    st.builds(Forgotten, TEXT),
    st.builds(
        TopicState,
        TEXT,
        NUMBER,
        NUMBER,
        st.lists(st.builds(Kept, NUMBER, NUMBER, TEXT, TEXT, st.binary(max_size=100)), max_size=3),
        st.none() | st.tuples(TEXT, st.binary(max_size=100)),
    ),
)


@given(st.lists(RECORD, max_size=20))
def test_what_is_encoded_is_read_again(records: list[Record]) -> None:
    assert decode(encode(records)) == records


@given(st.lists(RECORD, min_size=1, max_size=5), st.data())
def test_a_frame_that_was_cut_off_is_refused(records: list[Record], data: st.DataObject) -> None:
    encoded = encode(records)
    with pytest.raises(FrameError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=200))
def test_whatever_bytes_come_nothing_but_a_frame_error_is_raised(data: bytes) -> None:
    for each in (data, b"\x01" + data):
        with contextlib.suppress(FrameError):
            decode(each)


def test_another_version_is_named() -> None:
    with pytest.raises(FrameError, match=r"version 1, not with b'\\x02'"):
        decode(b"\x02\x90")


def test_positions_of_numbered_frames_do_not_overlap() -> None:
    frame = Frame.numbered(7, [Forgotten("a")] * POSITIONS)
    assert frame.first + len(frame.records) == Frame.numbered(8, []).first


def test_a_frame_is_full_by_its_records_or_by_its_bytes() -> None:
    gathering = Gathering()
    assert [gathering.add(Forgotten("a"), 0) for _ in range(POSITIONS - 1)] == [False] * (POSITIONS - 1)
    assert gathering.add(Forgotten("a"), 0)
    assert len(gathering.take()) == POSITIONS
    assert not gathering.add(Forgotten("a"), MAX_BYTES - 65)
    assert gathering.add(Forgotten("a"), 1)
    assert len(gathering.take()) == 2
    assert gathering.records == []
