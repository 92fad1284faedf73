"""
Content codings: a compressed body, inflated piece by piece.

The library inflates each chunk as a whole, and a chunk of 64 KiB can hold 64 MiB: a "bomb" would fill the memory before any limit on
events is looked at.

Source: RFC 9110, section 8.4, "Content-Encoding".
"""

from __future__ import annotations

import contextlib
import zlib
from asyncio import sleep
from collections.abc import AsyncGenerator, Iterator

import httpx2

ACCEPTED = "gzip, deflate"
"""What a request's `Accept-Encoding` says: the codings that can be inflated with a bound."""

PIECE = 65536
"""The most that is inflated at once, in bytes; what reads the pieces can stop in between."""


class Inflater:
    """Inflates a body of `gzip` or of `deflate`, the latter with its header or, as some servers send it, without."""

    def __init__(self, coding: str) -> None:
        self._window = zlib.MAX_WBITS | (16 if coding == "gzip" else 0)
        self._state = zlib.decompressobj(self._window)
        # Until the two bytes of a header, or of none, have come.
        self._may_be_raw = coding == "deflate"
        self._beginning = b""

    def inflate(self, chunk: bytes) -> Iterator[bytes]:
        """
        Yield what a chunk holds, in pieces of at most `PIECE` bytes.

        Raises:
            zlib.error: the body is broken.
        """
        if self._may_be_raw:
            chunk = self._beginning + chunk
            if len(chunk) < 2:
                self._beginning = chunk
                return
        while chunk:
            if self._state.eof:
                # A body may be several, one after another (RFC 1952, section 2.2, "members").
                self._state = zlib.decompressobj(self._window)
            piece = self._piece(chunk)
            chunk = self._state.unconsumed_tail or self._state.unused_data
            if piece:
                yield piece

    def _piece(self, chunk: bytes) -> bytes:
        try:
            piece = self._state.decompress(chunk, PIECE)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._window = -zlib.MAX_WBITS
            self._state = zlib.decompressobj(self._window)
            piece = self._state.decompress(chunk, PIECE)
        self._may_be_raw = False
        return piece


async def plain_chunks(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """
    Yield the body as it comes, without its content coding; empty bytes where something came that stands for nothing yet.

    Raises:
        httpx2.HTTPError: the connection broke, or the body is broken or in another coding than the accepted ones.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    async with contextlib.aclosing(response.aiter_raw()) as chunks:
        if coding in ("", "identity"):
            async for chunk in chunks:
                yield chunk
            return
        if coding not in ("gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError(f"the body's content coding is {coding!r}; only {ACCEPTED} can be read")
        inflater = Inflater(coding.removeprefix("x-"))
        async for chunk in chunks:
            yield b""
            try:
                for piece in inflater.inflate(chunk):
                    yield piece
                    # A chunk can hold a thousand pieces: others have their turn in between.
                    await sleep(0)
            except zlib.error as error:
                raise httpx2.DecodingError(f"the body is no {coding}: {error}") from error
