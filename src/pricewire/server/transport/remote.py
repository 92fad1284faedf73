"""Streams whose requests were passed on by a gateway: the gateway holds them, not this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pricewire.hub.streams import Stream, StreamSpec

REMOTE = "pricewire.gateway"
"""Where the ASGI scope's extensions have the `RemoteOffer` of a request that a gateway has passed on."""


class RemoteOffer(Protocol):
    """
    The offer, for one request, to have the gateway hold the stream.

    Attributes:
        for_operators: whether the request came to where operators are answered.
    """

    for_operators: bool

    def take(
        self, stream_id: str, spec: StreamSpec, prelude: bytes, on_close: Callable[[], None] | None, last_event_id: str | None = None
    ) -> Stream:
        """
        Have the gateway hold the stream; return it as it is known here.

        Args:
            stream_id: its id.
            spec: what it carries.
            prelude: encoded events that come first.
            on_close: called once when it has ended.
            last_event_id: the last event that its reader has, where the request says so otherwise than usual.

        Raises:
            Exception: of a publisher that cannot begin.
        """
