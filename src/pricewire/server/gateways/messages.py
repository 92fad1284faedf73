"""
What gateways and the server behind them say to each other over NATS, besides the frames of the bus.

    gateway ──Call──────> server    an HTTP request: the server's application answers it
            <───Answer──            its response; or a stream that the gateway is to hold
            ──Sync──────>           every few seconds: which streams it holds
            <───Unknown──           those that the server does not know of: it has begun anew
            ──Register──>           what these are
            <───Refused──           those that may not go on
            ──Closed────>           streams that have ended
            <──Renewed, Changed, Ended──    what is to become of streams that it holds
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pricewire.protocol.messages import error_body
from pricewire.server.auth.tokens import Token
from pricewire.server.following import Following

PACKED = 16 * 1024
"""From so many bytes on a body is compressed: a message of NATS has 1 MiB at most."""


class Form(msgspec.Struct, array_like=True, frozen=True):
    """
    How a stream shows its events.

    Attributes:
        name: one of those that `server/formats.py` knows.
        fields: only these members of the data; empty for all.
    """

    name: str
    fields: tuple[str, ...] = ()


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """
    A stream that a gateway is to hold.

    Attributes:
        stream_id: its id.
        endpoint: what it is counted as.
        client: the address that it is counted for, as text; None where it has none.
        token: the token that it ends with; None where it needs none.
        topics: what it carries, sorted.
        follow: which topics it carries besides; None for none.
        most: how many topics it has at most then.
        form: how events are shown.
        interval: at most one update per topic in so many seconds.
        control: whether it has named events besides the data.
        selector: what says which events it gets; None where it gets all.
        last_event_id: the last event that its reader has, where the request said so otherwise than usual.
    """

    stream_id: str
    endpoint: str
    client: str | None
    token: Token | None
    topics: tuple[str, ...]
    form: Form
    interval: float
    control: bool
    follow: Following | None = None
    most: int = 250
    selector: bytes | None = None
    last_event_id: str | None = None


class Call(msgspec.Struct, array_like=True, frozen=True):
    """
    An HTTP request.

    Attributes:
        gateway: the name of the gateway that it came to.
        method: of HTTP, like the next ones.
        path: decoded.
        raw_path: as it came.
        query: as it came.
        headers: with names in lower case.
        body: all of it, compressed by zlib where `is_packed`.
        client: the host and port of the connection's peer; None where that is not known.
        scheme: `http` or `https`.
        for_operators: whether it came to where operators are answered.
        is_packed: whether the body is compressed.
    """

    gateway: str
    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    client: tuple[str, int] | None
    scheme: str
    for_operators: bool = True
    is_packed: bool = False


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """
    What the application has answered.

    Attributes:
        status: of HTTP.
        headers: of the response.
        body: all of it, compressed by zlib where `is_packed`.
        is_packed: whether it is.
        plan: a stream that the gateway is to hold, instead of a body.
        prelude: encoded events that come first in that stream.
        position: up to where the gateway's hub has to have everything before it opens the stream.
        route: which route has answered, as `/v1/streams/{stream_id}`; empty for none.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_packed: bool = False
    plan: StreamPlan | None = None
    prelude: bytes = b""
    position: int = 0
    route: str = ""


def refusal(message: str, route: str = "") -> Answer:
    """Return the answer to a request that takes, or whose answer takes, more than a message of the bus holds: it never gets another one."""
    body = msgspec.json.encode(error_body("REQUEST_TOO_LARGE", message))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Answer(413, headers, body, route=route)


class Sync(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """
    A gateway is there.

    Attributes:
        gateway: its name.
        streams: the ids of the streams that it holds, sorted: all that come after `after`, and not after `until`.
        after: an id; empty from the first one on.
        until: an id; empty up to the last one.
    """

    gateway: str
    streams: list[str]
    after: str = ""
    until: str = ""


class Register(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """
    Streams that the server does not know of.

    Attributes:
        gateway: the name of the gateway.
        plans: what they are.
    """

    gateway: str
    plans: list[StreamPlan]


class Closed(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """
    Streams have ended.

    Attributes:
        gateway: the name of the gateway.
        streams: their ids.
    """

    gateway: str
    streams: list[str]


Report: TypeAlias = Sync | Register | Closed


class Unknown(msgspec.Struct, array_like=True, frozen=True):
    """
    Streams of a `Sync` that are to be registered.

    Attributes:
        streams: their ids.
    """

    streams: list[str]


class Refused(msgspec.Struct, array_like=True, frozen=True):
    """
    Streams of a `Register` that may not go on.

    Attributes:
        streams: why, by their ids: the name of a `StreamEnd`.
    """

    streams: dict[str, str]


class Renewed(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """
    A stream ends with another token than before.

    Attributes:
        stream_id: which stream.
        token: the token.
    """

    stream_id: str
    token: Token


class Changed(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """
    A stream is to carry something else.

    Attributes:
        stream_id: which stream.
        topics: what it carries from now on, sorted.
        interval: at most one update per topic in so many seconds.
        confirmation: the data of the event that says so.
        position: up to where the gateway's hub has to have everything before.
        follow: which topics it carries besides from now on; None for none.
        most: how many topics it has at most then.
    """

    stream_id: str
    topics: tuple[str, ...]
    interval: float
    confirmation: bytes
    position: int
    follow: Following | None = None
    most: int = 250


class Ended(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """
    A stream is to end.

    Attributes:
        stream_id: which stream.
        reason: the name of a `StreamEnd`.
    """

    stream_id: str
    reason: str


Command: TypeAlias = Renewed | Changed | Ended


class Join(msgspec.Struct, array_like=True, frozen=True):
    """
    A process with trading is there to share it.

    Attributes:
        process: its name.
        term: the newest term in which it has had a share that it cannot use any more; 0 for none.
    """

    process: str
    term: int


class Listen(msgspec.Struct, array_like=True, frozen=True):
    """
    Topics of accounts have streams, or have none any more.

    Attributes:
        term: the term of trading in which the receiver has the accounts.
        changes: the names of topics, each with whether it has streams now.
    """

    term: int
    changes: list[tuple[str, bool]]


class Listening(msgspec.Struct, array_like=True, frozen=True):
    """
    The answer to that.

    Attributes:
        term: in which the receiver has a share; 0 in none.
        position: up to where a hub has to have everything to have the first values of these topics.
    """

    term: int
    position: int
