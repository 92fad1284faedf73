"""
The ring: the frames of the last minutes in a folder of files, so that a new process goes on where the last one stopped.

A file (a *segment*) is a line of JSON, then entries. An entry is a head of 28 bytes (the size and the CRC-32 of the frame, the position of
its first record, when it was written, and the CRC-32 of all this), then the frame. Each process begins a segment of its own, and a new one
every minute, or every 32 MiB. Nothing is synced: what the operating system has taken outlives the process, not a power cut. So a segment
names the boot of the machine that it is from, and is of no use after another.

What the oldest segment does not reach back to is told by *states*: entries with position 0, whose records are `TopicState`. A segment has
those of all topics with something current from before the segment before it; an empty one says that they are complete. So a segment may be
removed once the next one but one is complete: what was current in it is in that one, or has been superseded since.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import struct
import time
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pricewire.bus.frames import Frame, decode, encode
from pricewire.errors import FrameError

logger = logging.getLogger(__name__)

KEEP_S = 300.0
"""How far the ring reaches back, in seconds: as far as the topics' logs."""

KEEP_BYTES = 256 << 20
"""How large all segments may be together, in bytes; the ring reaches back less far then."""

SEGMENT_S = 60.0
"""After how many seconds a new segment begins: what is older than `KEEP_S` is removed a segment at a time."""

SEGMENT_BYTES = 32 << 20
"""From how many bytes on a new segment begins."""

HEAD = struct.Struct("<IIqq")
"""Of an entry: the size of its frame in bytes, the CRC-32 of that, its first position, and when, in nanoseconds of the monotonic clock."""

CHECK = struct.Struct("<I")
"""The CRC-32 of the head, after it: so a frame that was half written is known from one whose size is damaged."""

SUFFIX = ".frames"
VERSION = 1
MACHINE = Path("/proc/sys/kernel/random/boot_id")
BOOT = re.compile("[0-9a-f]{1,32}")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """
    The first line of a segment.

    Attributes:
        version: of the format.
        boot: what the events' ids begin with.
        machine: the boot of the machine; another has another.
        first: the position that its first event has or would have.
        forgotten: where a topic was forgotten last.
        begun_ns: when it was begun, in nanoseconds of the monotonic clock.
        is_first: whether there was nothing before it, as at the first start.
    """

    pricewire: str = "frames"
    version: int = VERSION
    boot: str
    machine: str
    first: int
    forgotten: int
    begun_ns: int
    is_first: bool


@dataclass(slots=True)
class Segment:
    """
    A file of the ring.

    Attributes:
        path: the file.
        header: its first line.
        size: how many bytes it has.
        is_complete: whether it has the states of all topics.
    """

    path: Path
    header: Header
    size: int
    is_complete: bool = False

    @property
    def number(self) -> int:
        """Its place in the ring."""
        return int(self.path.stem)


@dataclass(frozen=True, slots=True)
class Past:
    """
    What a ring has kept.

    Attributes:
        position: that of its last record.
        segments: its files, oldest first.
    """

    position: int
    segments: list[Segment]

    @property
    def oldest(self) -> Header:
        """The beginning of its first segment."""
        return self.segments[0].header

    def frames(self) -> Iterator[tuple[float, Frame]]:
        """
        Yield its frames, and when each was written, in seconds of `time.monotonic`.

        Raises:
            OSError: one cannot be read.
        """
        for segment in self.segments:
            yield from opened(segment.path)[1]


class Ring:
    """
    Writes frames to segments.

    An `OSError` of `write` means that the ring is of no use any more: what follows would have a hole. `remove` it then, so that no later
    process goes on with it.
    """

    def __init__(self, folder: Path, boot: str, position: int, forgotten: int, segments: list[Segment]) -> None:
        """
        Begin a segment.

        Args:
            folder: where the segments are.
            boot: what the ids of all events begin with.
            position: that of the newest event.
            forgotten: where a topic was forgotten last.
            segments: those that there are already, oldest first.

        Raises:
            OSError: it cannot be written.
        """
        self._folder = folder
        self._boot = boot
        self._machine = machine()
        self._segments = segments
        self._file = -1
        self._full_at = 0.0
        remove(folder, {segment.path for segment in segments})
        self.begin_segment(position, forgotten)

    @property
    def size(self) -> int:
        """How many bytes all segments have."""
        return sum(segment.size for segment in self._segments)

    @property
    def quiet_before(self) -> int:
        """What is current and older than this position is to be written as states of the newest segment."""
        return self._segments[-2].header.first if len(self._segments) > 1 else 0

    @property
    def is_full(self) -> bool:
        """Whether a new segment is to begin."""
        return self._segments[-1].size >= SEGMENT_BYTES or time.monotonic() >= self._full_at

    def write(self, frame: Frame) -> None:
        """
        Hand a frame over to the operating system.

        Raises:
            OSError: it was not taken as a whole.
        """
        payload = encode(frame.records)
        head = HEAD.pack(len(payload), zlib.crc32(payload), frame.first, time.monotonic_ns())
        data = b"%b%b%b" % (head, CHECK.pack(zlib.crc32(head)), payload)
        if os.write(self._file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._segments[-1].size += len(data)

    def complete(self) -> None:
        """
        Say that the newest segment has the states of all topics, and remove the old ones that are not needed then.

        Raises:
            OSError: it cannot be written.
        """
        self.write(Frame(0, []))
        self._segments[-1].is_complete = True
        old_ns = time.monotonic_ns() - round(KEEP_S * 1e9)
        while (first := next_start(self._segments)) is not None:
            if self._segments[first].header.begun_ns > old_ns and self.size <= KEEP_BYTES:
                break
            for segment in self._segments[:first]:
                segment.path.unlink(missing_ok=True)
            del self._segments[:first]

    def begin_segment(self, position: int, forgotten: int) -> None:
        """
        Begin a segment after the newest event.

        Raises:
            OSError: it cannot be written.
        """
        header = Header(
            boot=self._boot,
            machine=self._machine,
            first=position + 1,
            forgotten=forgotten,
            begun_ns=time.monotonic_ns(),
            is_first=not self._segments,
        )
        line = msgspec.json.encode(header) + b"\n"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._folder / f"{number:012d}{SUFFIX}"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.write(file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self.close()
        self._file = file
        self._segments.append(Segment(path, header, len(line)))
        self._full_at = time.monotonic() + SEGMENT_S

    def close(self) -> None:
        """Close the newest segment; all that was written is with the operating system already."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def next_start(segments: list[Segment]) -> int | None:
    """Return the place of the first segment after the oldest that could be the oldest one; None where there is none."""
    return next((place for place in range(1, len(segments) - 1) if segments[place + 1].is_complete), None)


def machine() -> str:
    """Return what names this boot of the machine; empty where the system does not say."""
    with suppress(OSError):
        return MACHINE.read_text().strip()
    return ""


def remove(folder: Path, but: Collection[Path] = ()) -> None:
    """
    Remove all segments but some.

    Raises:
        OSError: one is still there.
    """
    for path in found(folder):
        if path not in but:
            path.unlink(missing_ok=True)


def found(folder: Path) -> list[Path]:
    """Return the files of a ring, oldest first."""
    return sorted(folder.glob(f"[0-9]*{SUFFIX}"))


def read(folder: Path) -> Past | None:
    """
    Return what a ring has kept, oldest first, as far as it is complete up to its end; None, and a line in the log, where it is of no use.

    A frame at the end of a segment that was half written has not been given to anybody, and is left out. Any other damage may be of one
    that somebody has; so what is before it is left out, and if the newest segment has it, everything.
    """
    paths = [path for path in found(folder) if is_begun(path)]
    usable: list[Segment] = []
    position = 0
    for path in paths:
        try:
            segment, frames = opened(path)
            begin = segment.header.first - 1
            if usable and (begin != position or segment.header.boot != usable[-1].header.boot):
                logger.warning("%s does not go on where the segment before it ends: that is not used, nor what is before it", path)
                usable.clear()
            position = end_of(begin, frames)
        except (OSError, ValueError) as error:
            logger.warning("%s is not used, nor what is before it: %s", path, error)
            usable.clear()
        else:
            usable.append(segment)
    if not (usable and usable[-1].path == paths[-1] and usable[0].header.machine == machine() != ""):
        usable.clear()
    while usable and not (usable[0].header.is_first or (len(usable) > 1 and usable[1].is_complete)):
        usable.pop(0)
    if usable:
        return Past(position, usable)
    if paths:
        logger.warning("what was published before cannot be gone on with: streams that come back get a reset")
    return None


def is_begun(path: Path) -> bool:
    """Return whether a segment has its first line: a process may have been killed before it was written, and so before all else."""
    try:
        with path.open("rb") as file:
            return file.readline().endswith(b"\n")
    except OSError:
        # Why is said where it is to be read.
        return True


def end_of(position: int, frames: Iterable[tuple[float, Frame]]) -> int:
    """
    Return the position of the last record of a segment.

    Args:
        position: that of the last record before it.
        frames: its frames, and when each was written.

    Raises:
        ValueError: they do not follow one another.
    """
    for _, frame in frames:
        if frame.first == position + 1:
            position += len(frame.records)
        elif frame.first:
            raise ValueError(f"position {frame.first} comes after {position}")
    return position


def opened(path: Path) -> tuple[Segment, list[tuple[float, Frame]]]:
    """
    Return a segment, and its frames with the times when they were written, in seconds of `time.monotonic`.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no segment of this version, or damaged.
    """
    data = path.read_bytes()
    line, _, _ = data.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=Header)
    except msgspec.DecodeError as error:
        raise ValueError(f"its first line cannot be read: {error}") from None
    if header.pricewire != "frames" or header.version != VERSION or BOOT.fullmatch(header.boot) is None:
        raise ValueError("it begins as no segment of this version does")
    segment = Segment(path, header, len(data))
    frames: list[tuple[float, Frame]] = []
    for offset, first, at_ns, payload in entries(path, data, len(line) + 1):
        try:
            records = decode(payload)
        except FrameError as error:
            raise ValueError(f"at byte {offset}: {error}") from None
        if first == 0 and not records:
            segment.is_complete = True
        else:
            frames.append((at_ns / 1e9, Frame(first, records)))
    return segment, frames


def entries(path: Path, data: bytes, begin: int) -> Iterator[tuple[int, int, int, memoryview]]:
    """
    Yield the whole entries of a segment: where each begins, its first position, its time in nanoseconds, and its frame.

    Args:
        path: the file, for the log.
        data: what is in it.
        begin: where its first entry is, in bytes.

    Raises:
        ValueError: one is damaged.
    """
    view, offset = memoryview(data), begin
    while len(data) - offset >= HEAD.size + CHECK.size:
        head = view[offset : offset + HEAD.size]
        if CHECK.unpack_from(data, offset + HEAD.size)[0] != zlib.crc32(head):
            raise ValueError(f"the head at byte {offset} is damaged")
        size, check, first, at_ns = HEAD.unpack(head)
        payload = view[offset + HEAD.size + CHECK.size : offset + HEAD.size + CHECK.size + size]
        if len(payload) < size:
            break
        if zlib.crc32(payload) != check:
            raise ValueError(f"the frame at byte {offset} is damaged")
        yield offset, first, at_ns, payload
        offset += HEAD.size + CHECK.size + size
    if offset < len(data):
        logger.warning("%s ends with %d bytes of a frame that was half written; nobody has got it", path, len(data) - offset)
