"""Changing an open stream: topics come and go, and the pace changes, without a new connection."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from litestar import patch
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from pricewire.protocol.messages import Data, ErrorBody, StreamChange, StreamState
from pricewire.protocol.topics import parse_topic
from pricewire.server.limits import Admission
from pricewire.server.prices import Prices
from pricewire.server.problems import INVALID, InvalidParametersError, UnknownStreamError
from pricewire.server.streams import checked

UNKNOWN_STREAM = {404: ResponseSpec(ErrorBody, description="There is no such stream, or no such instrument.", generate_examples=False)}


@patch("/v1/streams/{stream_id:str}", responses={**INVALID, **UNKNOWN_STREAM})
async def change_stream(
    prices: NamedDependency[Prices], admission: NamedDependency[Admission], stream_id: FromPath[str], data: JSONBody[StreamChange]
) -> Data[StreamState]:
    """
    Add and remove topics of an open stream, and change its pace.

    The stream's id is the response's header `Pricewire-Stream`. The stream confirms by an event `changed`, with the same data as this
    answer, at the place where the change took effect: behind the current values of the topics that were added.
    """
    found = prices.hub.find(stream_id)
    if found is None:
        raise UnknownStreamError(f"there is no open stream {stream_id!r}; its id is the header Pricewire-Stream of its response")
    stream, subscription = found
    if not subscription.control:
        raise InvalidParametersError("a stream of /v1/market cannot be changed; open one of /sse?topic=…")
    strangers = sorted(set(data.remove) - set(subscription.topics))
    if strangers:
        raise InvalidParametersError(f"remove: the stream does not carry {', '.join(map(repr, strangers))}")
    added = checked(prices, admission, [parse_topic(text) for text in data.add])
    topics = sorted((set(subscription.topics) - set(data.remove)) | set(added))
    if not topics:
        raise InvalidParametersError("remove: a stream carries at least one topic; close it instead")
    checked(prices, admission, [parse_topic(text) for text in topics])
    interval = subscription.interval if data.interval_ms is None else data.interval_ms / 1000
    state = StreamState(topics, round(interval * 1000))
    prices.hub.change(stream, replace(subscription, topics=tuple(topics), interval=interval), msgspec.json.encode(state))
    return Data(state)
