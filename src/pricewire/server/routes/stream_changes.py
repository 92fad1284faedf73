"""Changing an open stream: topics come and go, and the pace changes, without a new connection."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from litestar import patch
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from pricewire.errors import quoted
from pricewire.hub.streams import Stream, StreamSpec
from pricewire.protocol.free_topics import read_topic
from pricewire.protocol.messages import Data, ErrorBody, StreamChange, StreamState
from pricewire.server.auth.dependencies import FORBIDDEN, UNAUTHORIZED, AnyRequest, Caller, confirm, unauthorized
from pricewire.server.auth.service import AuthService
from pricewire.server.auth.tokens import Token
from pricewire.server.following import patterns_of
from pricewire.server.formats import NarrowFormat, timestamp
from pricewire.server.http_errors import CONFLICT, INVALID, REFUSED, ForbiddenError, InvalidParametersError, UnknownError
from pricewire.server.publisher import Publisher
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener, other_names
from pricewire.server.stream_query import check_known, parse_requested

UNKNOWN_STREAM = {404: ResponseSpec(ErrorBody, description="There is no such stream, or no such instrument.", generate_examples=False)}


STREAMS = "/v1/streams/"
"""What the paths of streams begin with; their ids follow."""


@patch(STREAMS + "{stream_id:str}", responses={**INVALID, **UNAUTHORIZED, **FORBIDDEN, **UNKNOWN_STREAM, **CONFLICT, **REFUSED})
async def change_stream(
    request: AnyRequest,
    services: NamedDependency[Services],
    stream_opener: NamedDependency[StreamOpener],
    caller: NamedDependency[Caller],
    stream_id: FromPath[str],
    data: JSONBody[StreamChange],
) -> Data[StreamState]:
    """
    Add and remove topics of an open stream, change its pace, and have it live as long as this request's token.

    The stream's id is the response's header `Pricewire-Stream`. The stream confirms by an event `changed`, with the same data as this
    answer, at the place where the change took effect: behind the current values of the topics that were added. Where a topic was added
    under another name than the one it has here, both say so. The same change made twice is as one made once. A stream that was opened
    with a token is changed with one of the same account.
    """
    publisher, auth = services.publisher, services.auth
    stream, spec = opened(publisher, stream_id)
    token = owner(stream_id, auth, caller)
    if not spec.control and (data.add or data.remove or data.interval_ms is not None):
        raise InvalidParametersError("a stream of /v1 cannot be changed; open one of /sse?topic=…")
    # A stream that depends on no token would outlive this one.
    owned = caller if token is not None else Caller(None)
    stream_opener.require(map(read_topic, spec.topics), owned.token)
    asked = [parse_requested(text) for text in data.add]
    if isinstance(spec.form, NarrowFormat):
        check_known(asked)
    stream_opener.charge(request, asked, carried=carried(spec))
    added = await stream_opener.check(asked, owned.token)
    # It may have ended meanwhile, or another change come before this one; and so may the token.
    stream, spec = opened(publisher, stream_id)
    token = owner(stream_id, auth, caller)
    if owned.token is not None and auth is not None:
        confirm(auth, owned.token)
    topics = carried(spec).difference(data.remove).union(added)
    if not topics:
        raise InvalidParametersError("remove: a stream carries at least one topic; close it instead")
    stream_opener.count(topics)
    stream_opener.carry(stream_id, topics)
    if token is not None and auth is not None and caller.token is not None:
        token = auth.token_watch.renew(stream_id, caller.token)
    interval = spec.interval if data.interval_ms is None else data.interval_ms / 1000
    state = StreamState(
        sorted(topics), round(interval * 1000), None if token is None else timestamp(token.expires_at), other_names(data.add, added)
    )
    if spec.control:
        named = tuple(sorted(topic for topic in topics if not topic.endswith("*")))
        # By the rights of now, as the topics are checked.
        follow = stream_opener.follow(topics, owned.token)
        changed = replace(spec, topics=named, interval=interval, follow=follow, most=stream_opener.topics_per_stream)
        publisher.hub.change(stream, changed, msgspec.json.encode(state))
    return Data(state)


def carried(spec: StreamSpec) -> set[str]:
    """Return what a stream was opened with: topics, and patterns."""
    return {*spec.topics, *patterns_of(spec.follow)}


def opened(publisher: Publisher, stream_id: str) -> tuple[Stream, StreamSpec]:
    """
    Return an open stream, and what it carries.

    Raises:
        UnknownError: there is none.
    """
    found = publisher.hub.find(stream_id)
    # Those of another protocol are not changed by this one.
    if found is None or found[1].selector is not None:
        raise UnknownError(f"there is no open stream {quoted(stream_id)}; its id is the header Pricewire-Stream of its response")
    return found


def owner(stream_id: str, auth: AuthService | None, caller: Caller) -> Token | None:
    """
    Return the token that a stream depends on; None for one that anybody may change who knows its id.

    Raises:
        UnauthorizedError: it has one, and the caller has none.
        ForbiddenError: it has one, and the caller's is for another account.
    """
    token = None if auth is None else auth.token_watch.token(stream_id)
    if token is not None:
        if caller.token is None:
            raise unauthorized("this stream was opened with a token: send one of the same account")
        if caller.token.account != token.account:
            raise ForbiddenError("the stream is another account's")
    return token
