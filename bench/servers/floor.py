"""The floor: what a loop in C takes that only calls send(). No server can be cheaper that writes to each stream by itself."""

from __future__ import annotations

from pathlib import Path

from bench.machine import Placement
from bench.process import compile_c, no_compiler
from bench.servers.peer import Peer, PeerError
from bench.workload import TOPIC, ticks
from pricewire.hub.event import Event, plain
from pricewire.server.transport.handover import ChunkedStream

SOURCE = Path(__file__).with_name("floor.c")


class Floor(Peer):
    """
    Sends the bytes that Pricewire sends, made beforehand.

    Args:
        placement: which core it runs on.
        sizes: how many events the flushes of this run have.
    """

    name = "floor"
    label = "floor: only send()"

    def __init__(self, placement: Placement, sizes: tuple[int, ...]) -> None:
        super().__init__(placement)
        self._sizes = sizes

    @classmethod
    def missing(cls) -> str | None:
        """Say so where there is no C compiler."""
        return no_compiler()

    def publish(self, flushes: int, per_flush: int) -> None:
        """Have it send the bytes of one flush again and again."""
        process = self._process
        assert process is not None, "it was started"
        assert process.stdin is not None, "it was asked for"
        assert process.stdout is not None, "it was asked for"
        process.stdin.write(f"{self._sizes.index(per_flush)} {flushes}\n")
        process.stdin.flush()
        if process.stdout.readline() != "done\n":
            raise PeerError("the floor ended")

    def settle(self) -> None:
        """Do nothing: it has nothing to let go of."""

    def _start(self) -> None:
        program = compile_c(SOURCE, self.directory)
        payloads = []
        for size in self._sizes:
            payload = self.directory / f"{size}.bytes"
            payload.write_bytes(flush_bytes(size))
            payloads.append(str(payload))
        self.port = self._read_port(self._spawn([str(program), *payloads]))


def flush_bytes(events: int) -> bytes:
    """Return what the hub writes to each stream for a flush of so many events."""
    messages = ticks()
    parts = [
        # The position has as many digits as in the middle of a run.
        Event(position=1000 + number, boot="3f2a9c1b", topic=TOPIC, seq=number, key=TOPIC, name="tick", message=next(messages)).encoded(
            plain
        )
        for number in range(events)
    ]
    return ChunkedStream.frame(b"".join(parts))
