"""Changing an open stream: topics come and go, and the pace changes, without a new connection."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from litestar import patch
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from pricewire.errors import quoted
from pricewire.hub.streams import Stream, Subscription
from pricewire.protocol.messages import Data, ErrorBody, StreamChange, StreamState
from pricewire.protocol.topics import parse_topic
from pricewire.server.auth.dependencies import FORBIDDEN, UNAUTHORIZED, AnyRequest, Visitor, confirm, require_topics, unauthorized
from pricewire.server.auth.service import Authority
from pricewire.server.auth.tokens import Token
from pricewire.server.http_errors import CONFLICT, INVALID, REFUSED, ForbiddenError, InvalidParametersError, UnknownError
from pricewire.server.publisher import Prices
from pricewire.server.routes.accounts import timestamp
from pricewire.server.stream_opener import Entrance

UNKNOWN_STREAM = {404: ResponseSpec(ErrorBody, description="There is no such stream, or no such instrument.", generate_examples=False)}


@patch("/v1/streams/{stream_id:str}", responses={**INVALID, **UNAUTHORIZED, **FORBIDDEN, **UNKNOWN_STREAM, **CONFLICT, **REFUSED})
async def change_stream(
    request: AnyRequest,
    prices: NamedDependency[Prices],
    entrance: NamedDependency[Entrance],
    authority: NamedDependency[Authority | None],
    visitor: NamedDependency[Visitor],
    stream_id: FromPath[str],
    data: JSONBody[StreamChange],
) -> Data[StreamState]:
    """
    Add and remove topics of an open stream, change its pace, and have it live as long as the token that this request shows.

    The stream's id is the response's header `Pricewire-Stream`. The stream confirms by an event `changed`, with the same data as this
    answer, at the place where the change took effect: behind the current values of the topics that were added. A stream that was opened
    with a token is changed with one of the same account.
    """
    stream, subscription = opened(prices, stream_id)
    token = owner(stream_id, authority, visitor)
    if not subscription.control and (data.add or data.remove or data.interval_ms is not None):
        raise InvalidParametersError("a stream of /v1 cannot be changed; open one of /sse?topic=…")
    strangers = sorted(set(data.remove).difference(subscription.topics))
    if strangers:
        raise InvalidParametersError(f"remove: the stream does not carry {', '.join(map(quoted, strangers))}")
    # A stream that lives by no token would outlive this one.
    owned = visitor if token is not None else Visitor(None)
    require_topics(map(parse_topic, subscription.topics), owned.token)
    asked = [parse_topic(text) for text in data.add]
    entrance.charge(request, asked, carried=len(subscription.topics))
    added = await entrance.check(asked, owned)
    # It may have ended meanwhile, or another change come before this one; and so may the token.
    stream, subscription = opened(prices, stream_id)
    token = owner(stream_id, authority, visitor)
    if owned.token is not None and authority is not None:
        confirm(authority, owned.token)
    topics = set(subscription.topics).difference(data.remove).union(added)
    if not topics:
        raise InvalidParametersError("remove: a stream carries at least one topic; close it instead")
    entrance.count(topics)
    entrance.carry(stream_id, topics)
    if token is not None and authority is not None and visitor.token is not None:
        token = authority.lives.prolong(stream_id, visitor.token)
    interval = subscription.interval if data.interval_ms is None else data.interval_ms / 1000
    state = StreamState(sorted(topics), round(interval * 1000), None if token is None else timestamp(token.expires_at))
    if subscription.control:
        prices.hub.change(stream, replace(subscription, topics=tuple(sorted(topics)), interval=interval), msgspec.json.encode(state))
    return Data(state)


def opened(prices: Prices, stream_id: str) -> tuple[Stream, Subscription]:
    """
    Return an open stream, and what it carries.

    Raises:
        UnknownError: there is none.
    """
    found = prices.hub.find(stream_id)
    if found is None:
        raise UnknownError(f"there is no open stream {quoted(stream_id)}; its id is the header Pricewire-Stream of its response")
    return found


def owner(stream_id: str, authority: Authority | None, visitor: Visitor) -> Token | None:
    """
    Return the token that a stream lives by; None for one that anybody may change who knows its id.

    Raises:
        UnauthorizedError: it has one, and the visitor shows none.
        ForbiddenError: it has one, and the visitor's is for another account.
    """
    token = None if authority is None else authority.lives.token(stream_id)
    if token is not None:
        if visitor.token is None:
            raise unauthorized("this stream was opened with a token: show one of the same account")
        if visitor.token.account != token.account:
            raise ForbiddenError("the stream is another account's")
    return token
