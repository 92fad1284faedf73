"""One open response, as the hub sees it: something that takes bytes, and may be slow in taking them."""

from __future__ import annotations

from collections.abc import Callable

from pricewire.hub.coding import PLAIN_STREAM, PlainStream

Frame = Callable[[bytes], bytes]
"""Wraps what is written at once, as the transport below wants it: as a chunk of HTTP/1.1, for instance."""


class Stream:
    """
    One open response.

    A transport's adapter implements `write`, `end`, `abort` and `unsent`, and tells the hub by `Hub.pause` and `Hub.resume` how its
    reader is doing.

    Attributes:
        write: takes framed bytes and never blocks; may call `Hub.pause` before it returns.
        id: what the stream is changed by.
        coding: how what it carries is compressed.
        lag: where it stopped, while it lags; None while it keeps up.
        on_close: called once when the stream has left the hub, or was not let in.

    Args:
        id: see above.
    """

    __slots__ = ("coding", "id", "lag", "on_close")

    write: Callable[[bytes], object]

    def __init__(self, id: str = "") -> None:
        self.id = id
        self.coding: PlainStream = PLAIN_STREAM
        self.lag: Lag | None = None
        self.on_close: Callable[[], None] | None = None

    @staticmethod
    def frame(data: bytes) -> bytes:
        """Wrap what is written at once."""
        return data

    def end(self, data: bytes) -> None:
        """Take the last framed bytes, then end the response in an orderly way."""
        raise NotImplementedError

    def abort(self) -> None:
        """End the response at once, whatever has been written."""
        raise NotImplementedError

    def unsent(self) -> int:
        """Return how many of the bytes written still wait on this machine, where the adapter can tell."""
        return 0

    def closed(self) -> None:
        """Call `on_close`, once."""
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()


class Lag:
    """
    Where a stream stopped.

    Attributes:
        position: the last event that it was given.
        seqs: the number of the last event of each topic that it was given.
        added: topics that were added meanwhile: it gets their current values when it can be written again.
        confirmations: the data of the events that confirm these changes.
    """

    __slots__ = ("added", "confirmations", "position", "seqs")

    def __init__(self, position: int, seqs: dict[str, int]) -> None:
        self.position = position
        self.seqs = seqs
        self.added: set[str] = set()
        self.confirmations: list[bytes] = []
