"""How a stream is asked for and kept: one object from what the user says to the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import httpx2
import msgspec

from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.arguments import check_headers, check_seconds, check_type
from pricewire.client.http_client import check_http_client
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.stream.request import Headers, authorization_header, build_headers
from pricewire.client.stream.watchdog import IDLE_TIMEOUT
from pricewire.protocol.decoder import MAX_EVENT_SIZE


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """
    What holds for all connections of a stream, wherever they go.

    Attributes:
        headers: the request's headers, without the token's.
        credentials: bring the token; None: there is none.
        reconnect: when to try again.
        idle_timeout: how much silence makes a connection dead, in seconds, where the server announces no heartbeat; None: any.
        retry_statuses: whether to try again after 408, 429 and 5xx.
        max_event_size: the most that one event may hold, in bytes.
        http_client: sends the requests, and stays open; None: one of the stream's own.
    """

    headers: Headers
    credentials: Credentials | None
    reconnect: ReconnectPolicy
    idle_timeout: float | None
    retry_statuses: bool
    max_event_size: int
    http_client: httpx2.AsyncClient | None

    @classmethod
    def of(
        cls,
        *,
        reconnect: ReconnectPolicy,
        headers: Mapping[str, str] | None = None,
        token: Token | Credentials | None = None,
        idle_timeout: float | None = IDLE_TIMEOUT,
        retry_statuses: bool = False,
        max_event_size: int = MAX_EVENT_SIZE,
        http_client: httpx2.AsyncClient | None = None,
    ) -> Self:
        """
        Return what a user asks for, once it has been checked.

        Args:
            reconnect: see the attributes.
            headers: more headers for the request.
            token: a bearer token, an asynchronous function that returns one, or credentials that others share; None: no token.
            idle_timeout: see the attributes.
            retry_statuses: likewise.
            max_event_size: likewise.
            http_client: likewise.

        Raises:
            ValueError: a header or the token cannot be sent, or a number is out of bounds.
            TypeError: an argument has another type.
        """
        check_headers(headers)
        check_type("reconnect", reconnect, ReconnectPolicy, "a ReconnectPolicy")
        check_seconds("idle_timeout", idle_timeout)
        check_type("retry_statuses", retry_statuses, bool, "True or False")
        check_type("max_event_size", max_event_size, int, "a whole number of bytes")
        if max_event_size < 1:
            raise ValueError(f"max_event_size is {max_event_size} bytes; it is 1 or more")
        check_http_client(http_client)
        return cls(
            headers=build_headers(headers),
            credentials=_credentials_of(token, headers),
            reconnect=reconnect,
            idle_timeout=idle_timeout,
            retry_statuses=retry_statuses,
            max_event_size=max_event_size,
            http_client=http_client,
        )


def _credentials_of(token: Token | Credentials | None, headers: Mapping[str, str] | None) -> Credentials | None:
    if token is None:
        return None
    if any(name.lower() == "authorization" for name in headers or {}):
        raise ValueError("there is a token and a header 'Authorization'; give one of them")
    if isinstance(token, str):
        # What cannot be sent shows here, not with the first request.
        authorization_header(token)
    return token if isinstance(token, Credentials) else Credentials(token)
