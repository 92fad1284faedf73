"""The topics that there are, and their logs."""

from __future__ import annotations

import time
from heapq import nsmallest
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from pricewire.errors import quoted
from pricewire.hub.delivery import Outcome
from pricewire.hub.event import Event
from pricewire.hub.hub import Hub
from pricewire.hub.log import TopicLog
from pricewire.protocol.free_topics import TopicPattern, read_topic
from pricewire.protocol.messages import Data, LoggedEvent, NewestEvent, TopicInfo, TopicLogBody, TopicsBody
from pricewire.server.auth.dependencies import SECURITY, AnyRequest, Caller, Principal
from pricewire.server.auth.grants import Action, may
from pricewire.server.following import MARKET_FAMILIES
from pricewire.server.http_errors import INVALID, REFUSED, UNKNOWN, InvalidParametersError, UnknownError
from pricewire.server.limits import Admission
from pricewire.server.routes.accounts import NO_STORE, PROTECTED
from pricewire.server.routes.large_answers import answer
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener

LARGEST = 1000
"""How many topics or events one answer has at most."""

MOST_BYTES = 512 * 1024
"""How many bytes of events one answer has at most, or one event: behind gateways it has to fit into a message of NATS, of 1 MiB."""

BYTES_A_ROW = 128
"""What makes as much work as a row of a history, in bytes: a thread compresses 25 KiB in a millisecond."""

Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST, description="How many at most.")]


@get("/v1/topics", cache_control=NO_STORE, responses={**INVALID, **PROTECTED, **REFUSED}, security=SECURITY)
async def list_topics(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    stream_opener: NamedDependency[StreamOpener],
    token_holder: NamedDependency[Principal],
    topic: Annotated[str, QueryParameter(description="Only this one, or those of this pattern.")] = "*",
    after: Annotated[str, QueryParameter(description="Only those whose names come after this one.")] = "",
    limit: Limit = 100,
) -> Data[TopicsBody]:
    """List the topics that have events, and that the token may read or publish to: how many streams each has, and what it had last."""
    wanted = read_topic(topic)
    hub = services.publisher.hub
    names = hub.topics
    admission.ask_for_history(admission.client(request.scope), len(names))
    grants = [*services.publisher.topic_rules.public, *token_holder.token.grants]

    def is_shown(name: str) -> bool:
        if name <= after or not (name.startswith(topic[:-1]) if isinstance(wanted, TopicPattern) else name == str(wanted)):
            return False
        return name.partition(":")[0] in MARKET_FAMILIES or may(Action.READ, name, grants) or may(Action.PUBLISH, name, grants)

    now = time.monotonic()
    shown = nsmallest(limit, (name for name in names if is_shown(name)))
    return Data(TopicsBody([info(hub, name, log, now) for name in shown if (log := hub.log(name)) is not None]))


@get("/v1/topics/{topic:str}/log", cache_control=NO_STORE, responses={**INVALID, **PROTECTED, **UNKNOWN, **REFUSED})
async def show_log(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    stream_opener: NamedDependency[StreamOpener],
    caller: NamedDependency[Caller],
    topic: FromPath[str],
    after: Annotated[
        str | None, QueryParameter(description="The id of the last event that is known; only later ones are returned.")
    ] = None,
    limit: Limit = 100,
) -> Response[Data[TopicLogBody]]:
    """
    Return the events of a topic that its log has, oldest first; who may read the topic may read its log.

    With `after`, `start` says whether these follow it: `resumed`, or `reset` where the log does not reach back so far. Then, and without
    it, they are the oldest that the log has. There are as many as asked for, or as 512 KiB hold; ask with `after` and the last one's id
    for more, until there are none.
    """
    wanted = read_topic(topic)
    if isinstance(wanted, TopicPattern):
        raise InvalidParametersError(f"topic {quoted(topic)} is a pattern; each topic has a log of its own")
    stream_opener.require([wanted], caller.token)
    admission.ask_for_history(admission.client(request.scope), limit)
    hub, name = services.publisher.hub, str(wanted)
    if hub.log(name) is None:
        raise UnknownError(f"there is no topic {quoted(name)} with events")
    start = hub.start([name], after)
    events = hub.recent_events(name)
    if start.outcome is Outcome.RESUMED:
        events = [event for event in events if event.position > start.position]
    shown, size = list[LoggedEvent](), 0
    for event in events[:limit]:
        logged = logged_event(event)
        size += len(msgspec.json.encode(logged))
        if shown and size > MOST_BYTES:
            break
        shown.append(logged)
    body = TopicLogBody(start.outcome.value, shown)
    return await answer(request, lambda: Data(body), max(len(shown), size // BYTES_A_ROW))


def info(hub: Hub, name: str, log: TopicLog, now: float) -> TopicInfo:
    """Return what is shown of a topic; `now` is of `time.monotonic`, in seconds."""
    newest = log.newest_event
    shown = None
    if newest is not None:
        event, at = newest
        shown = NewestEvent(event.id, event.name, round((time.time() - now + at) * 1000))
    return TopicInfo(name, hub.readers(name), round(log.rate(now), 3), log.seq, shown)


def logged_event(event: Event) -> LoggedEvent:
    """Return an event as the log shows it."""
    return LoggedEvent(event.id, event.name, event.seq, event.key, msgspec.Raw(event.json))
