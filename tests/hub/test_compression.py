"""Shared compression: whatever joins, leaves and lags, each stream decompresses to exactly what it was sent."""

from __future__ import annotations

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from pricewire.hub.compression import MANY, GzipGroup, GzipStream, PlainGroup, PlainStream, shift

DATA = st.binary(max_size=60) | st.sampled_from([b"", b"abc" * 20, b"data: 1234.56\n\n" * 5])


@given(DATA, DATA)
def test_shift_joins_checksums(first: bytes, second: bytes) -> None:
    assert shift(zlib.crc32(first), len(second)) ^ zlib.crc32(second) == zlib.crc32(first + second)


def test_shift_by_gigabytes() -> None:
    whole = 3 * 2**30 + 1
    half = shift(0x12345678, whole // 2)
    assert shift(half, whole - whole // 2) == shift(0x12345678, whole)


class Reader:
    """A stream, and what a browser makes of it."""

    def __init__(self, group: GzipGroup) -> None:
        self.stream = GzipStream()
        self.group = group
        self.decoder = zlib.decompressobj(31)
        self.expected = b""
        self.read = self.decoder.decompress(self.stream.begin())
        self.is_member = False

    def own(self, data: bytes) -> None:
        self.expected += data
        self.take(self.stream.encode(data))

    def take(self, block: bytes) -> None:
        self.read += self.decoder.decompress(block)
        assert self.read == self.expected, "what was sent is readable at once"

    def join(self, data: bytes) -> None:
        self.own(data)
        self.stream.enter(self.group)
        self.is_member = True

    def leave(self) -> None:
        self.stream.leave(self.group)
        self.is_member = False


ACTIONS = st.lists(st.tuples(st.sampled_from(["flush", "new", "lag", "back", "end"]), st.integers(0, 20), DATA), max_size=40)


@given(ACTIONS)
def test_every_stream_decompresses_to_what_it_was_sent(actions: list[tuple[str, int, bytes]]) -> None:
    group = GzipGroup()
    readers: list[Reader] = []
    for action, which, data in actions:
        members = [reader for reader in readers if reader.is_member]
        lagging = [reader for reader in readers if not reader.is_member]
        if action == "new":
            readers.append(Reader(group))
            readers[-1].join(data)
        elif action == "flush":
            block = group.encode(data, len(members))
            for reader in members:
                reader.expected += data
                reader.take(block)
        elif action == "lag" and members:
            members[which % len(members)].leave()
        elif action == "back" and lagging:
            lagging[which % len(lagging)].join(data)
        elif action == "end" and readers:
            finish(readers.pop(which % len(readers)), data)
    for reader in readers:
        finish(reader, b"bye")


def finish(reader: Reader, data: bytes) -> None:
    if reader.is_member:
        reader.leave()
    reader.own(data)
    reader.read += reader.decoder.decompress(reader.stream.finish())
    assert reader.decoder.eof, "the trailer is right: checksum and size"
    assert reader.read == reader.expected


def test_a_group_with_many_streams_gets_the_full_window() -> None:
    noise = random.Random(1).randbytes(3000)

    def again(streams: int) -> int:
        group = GzipGroup()
        group.encode(noise, streams)
        return len(group.encode(noise, streams))

    assert again(1) > 2900, "it is out of sight"
    assert again(MANY) < 100


def test_plain_streams_stay_as_they_are() -> None:
    stream, group = PlainStream(), PlainGroup()
    stream.enter(group)
    group.require_key()
    assert stream.begin() + stream.encode(b"a") + group.encode(b"b", 1) + stream.finish() == b"ab"
    stream.leave(group)
