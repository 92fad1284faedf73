"""How a stream is asked for and kept: one object from what the user says to the socket."""

from __future__ import annotations

from collections.abc import Mapping

import httpx2
import msgspec

from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.arguments import check_headers, check_seconds, check_type
from pricewire.client.http_client import check_http_client
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.stream.request import authorization_header, build_headers
from pricewire.client.stream.watchdog import IDLE_TIMEOUT
from pricewire.protocol.decoder import MAX_EVENT_SIZE


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    The options of all connections of a stream.

    Attributes:
        reconnect: when to try again.
        headers: more headers for every request.
        credentials: provide the token; None: there is none.
        idle_timeout: how much silence makes a connection dead, in seconds, where the server announces no heartbeat; None: any.
        retry_statuses: whether to try again after 408, 429 and 5xx.
        max_event_size: the most that one event may hold, in bytes.
        http_client: sends the requests, and stays open; None: one of the stream's own.

    Raises:
        ValueError: a header cannot be sent, there is a token beside a header `Authorization`, or a number is out of bounds.
        TypeError: a value has another type.
    """

    reconnect: ReconnectPolicy
    headers: Mapping[str, str] | None = None
    credentials: Credentials | None = None
    idle_timeout: float | None = IDLE_TIMEOUT
    retry_statuses: bool = False
    max_event_size: int = MAX_EVENT_SIZE
    http_client: httpx2.AsyncClient | None = None

    def __post_init__(self) -> None:
        check_headers(self.headers)
        build_headers(self.headers)
        check_type("reconnect", self.reconnect, ReconnectPolicy, "a ReconnectPolicy")
        check_seconds("idle_timeout", self.idle_timeout)
        check_type("retry_statuses", self.retry_statuses, bool, "True or False")
        check_type("max_event_size", self.max_event_size, int, "a whole number of bytes")
        if self.max_event_size < 1:
            raise ValueError(f"max_event_size is {self.max_event_size} bytes; it is 1 or more")
        check_http_client(self.http_client)
        if self.credentials is not None and any(name.lower() == "authorization" for name in self.headers or {}):
            raise ValueError("there is a token and a header 'Authorization'; give one of them")


def credentials_of(token: Token | Credentials | None) -> Credentials | None:
    """
    Return the credentials for a token: those that others share, or new ones.

    Raises:
        ValueError: the token cannot be sent.
        TypeError: it is none, and no function.
    """
    if isinstance(token, str):
        # What cannot be sent shows here, not with the first request.
        authorization_header(token)
    return token if token is None or isinstance(token, Credentials) else Credentials(token)
