"""Where streams begin: their topics are checked, they are counted, and those of an account are bound to its token."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol, cast

import msgspec

from pricewire.hub.event import Format
from pricewire.protocol.encoder import encode_event
from pricewire.protocol.free_topics import AnyTopic, FreeTopic, TopicPattern
from pricewire.protocol.messages import StreamState
from pricewire.protocol.topics import AdminTopic, CandlesTopic, QuoteTopic, TicksTopic, parse_topic
from pricewire.server.auth.dependencies import AnyRequest, Caller, confirm, require_topics, unauthorized
from pricewire.server.auth.service import AuthService
from pricewire.server.auth.tokens import Token
from pricewire.server.following import Following, following
from pricewire.server.formats import timestamp
from pricewire.server.http_errors import InvalidParametersError
from pricewire.server.limits import Admission, Permit
from pricewire.server.logs import logged
from pricewire.server.publisher import Publisher
from pricewire.server.transport.event_stream import EventStream, new_stream_id
from pricewire.server.transport.remote import REMOTE, RemoteOffer

PATTERN_COST = 50
"""What a pattern costs, as a multiple of a topic, where its stream begins or is changed: the names of all topics are looked at."""

TOPICS_LOOKED_AT = 25
"""How many topics there are that can be looked at for patterns at the cost of one: measured, 0.4 microseconds and 0.01 ms."""


class DescribedOffer(RemoteOffer, Protocol):
    """An offer to have a gateway hold a stream, which wants to know whose it is."""

    def describe(self, endpoint: str, client: str | None, token: Token | None) -> None:
        """
        Note what the stream is counted as, for which address, and the token that it ends with.

        Args:
            endpoint: what it is counted as.
            client: the address, as text.
            token: the token; None for none.
        """


class StreamOpener:
    """
    Opens streams.

    Args:
        publisher: of the topics.
        admission: counts streams.
        auth: checks tokens; None where there are none.
        is_for_operators: whether streams of the topic `admin` may begin here: not where operators have an address of their own.
    """

    def __init__(self, publisher: Publisher, admission: Admission, auth: AuthService | None, *, is_for_operators: bool = True) -> None:
        self._publisher = publisher
        self._admission = admission
        self._auth = auth
        self._is_for_operators = is_for_operators

    async def check(self, topics: Sequence[AnyTopic], token: Token | None) -> list[str]:
        """
        Return the topics' names in canonical form, patterns as they are, or refuse the request before its stream starts.

        Raises:
            InvalidParametersError: there are too many.
            InvalidProposalError: one asks for a contract that is not offered.
            UnknownInstrumentError: no feed has the instrument of one.
            MarketClosedError: the instrument of one has no price yet.
            UnauthorizedError: one is an account's, and the caller has no token.
            ForbiddenError: one is another account's, or the caller's token is not for reading.
        """
        self.count(topics)
        self.require(topics, token)
        return [await self._check(topic) for topic in topics]

    def require(self, topics: Iterable[AnyTopic], token: Token | None) -> None:
        """
        Check that a token may read topics.

        Raises:
            UnauthorizedError: one is not for everybody, and there is no token.
            ForbiddenError: one is another account's, or the token is not for reading it.
        """
        if self._auth is not None:
            require_topics(topics, token, self._publisher.topic_rules.public)

    def follow(self, topics: Iterable[str], token: Token | None) -> Following | None:
        """Return what says which topics the patterns among some topics stand for; None where there are none."""
        patterns = [topic for topic in topics if topic.endswith("*")]
        return following(patterns, [*self._publisher.topic_rules.public, *(() if token is None else token.grants)])

    @property
    def topics_per_stream(self) -> int:
        """How many topics a stream may have."""
        return self._admission.limits.topics_per_stream

    def count(self, topics: Collection[object]) -> None:
        """
        Refuse more topics than a stream may have.

        Raises:
            InvalidParametersError: there are too many.
        """
        limit = self._admission.limits.topics_per_stream
        if len(topics) > limit:
            raise InvalidParametersError(f"{len(topics)} topics exceed the limit of {limit} for one stream; open another for the rest")

    def charge(self, request: AnyRequest, topics: Collection[AnyTopic], *, carried: Collection[str] | None = None) -> None:
        """
        Refuse a request for more topics than its address may ask for, before anything is done; `carried` are those that the stream has that
        it changes.

        Raises:
            StreamRefusedError: it would exceed a limit.
        """
        self.count(topics)
        quotes = {str(topic) for topic in topics if isinstance(topic, QuoteTopic)}
        patterns = {name for name in carried or () if name.endswith("*")} | {each.text for each in topics if isinstance(each, TopicPattern)}
        looks = max(PATTERN_COST * len(patterns), len(self._publisher.hub.topics) // TOPICS_LOOKED_AT) if patterns else 0
        count = None if carried is None else len(carried)
        self._admission.ask_for_topics(self._admission.client(request.scope), len(topics) + looks, quotes, carried=count)

    def carry(self, stream_id: str, topics: Collection[str]) -> None:
        """
        Have an open stream carry topics, instead of what it has.

        Raises:
            StreamRefusedError: it would exceed a limit of quotes.
        """
        permit = self._admission.permit(stream_id)
        if permit is not None:
            permit.carry(topics)

    async def open(
        self,
        endpoint: str,
        request: AnyRequest,
        caller: Caller,
        topics: Sequence[AnyTopic],
        form: Format,
        *,
        interval_ms: int = 0,
        names: Sequence[str] | None = None,
        prelude: bytes = b"",
    ) -> EventStream:
        """
        Return the response that streams topics, or refuse the request as `check` does.

        Args:
            endpoint: what the stream is counted as.
            request: the request for it.
            caller: who sends it; the stream ends with the caller's token, if there is one.
            topics: what to stream.
            form: how events are shown.
            interval_ms: at most one update per topic in so many milliseconds.
            names: the topics as the request wrote them, for a stream with named events beside the data: where one has another name here,
                the stream begins with an event `changed` that says so. None for a stream without such events.
            prelude: encoded events that come first.

        Raises:
            StreamRefusedError: it would exceed a limit.
            UnauthorizedError: the caller's token has expired, if only within the difference of clocks that other requests are granted, or
                has ended meanwhile.
        """
        self.charge(request, topics)
        if caller.token is not None and caller.token.expires_at <= time.time():
            # It would end at once, and its reader come back at once, for as long as clocks may differ.
            raise unauthorized("the token has expired", is_invalid=True)
        carried = await self.check(topics, caller.token)
        others = other_names(names or (), carried)
        if others:
            expires_at = None if caller.token is None or self._auth is None else timestamp(caller.token.expires_at)
            state = StreamState(sorted(set(carried)), interval_ms, expires_at, others)
            prelude = encode_event(msgspec.json.encode(state), event_type="changed")
        with self._admission.admit(endpoint, self._admission.client(request.scope), caller.account) as permit:
            permit.carry(carried)
            stream_id = new_stream_id()
            permit.name(stream_id)
            offer = cast("DescribedOffer | None", (request.scope.get("extensions") or {}).get(REMOTE))
            if offer is not None:
                client = self._admission.client(request.scope)
                offer.describe(endpoint, None if client is None else str(client), caller.token)
            on_close = permit.give_back
            if caller.token is not None and self._auth is not None:
                on_close = bind(stream_id, caller.token, self._auth, permit)
            stream = EventStream(
                self._publisher.hub,
                [topic for topic in carried if not topic.endswith("*")],
                form=form,
                interval=interval_ms / 1000,
                control=names is not None,
                prelude=prelude,
                follow=self.follow(carried, caller.token),
                most=self.topics_per_stream,
                stream_id=stream_id,
                on_close=logged(on_close, lambda: stream.outcome, stream=stream_id, endpoint=endpoint, topics=len(carried)),
            )
            return stream

    async def _check(self, topic: AnyTopic) -> str:
        if isinstance(topic, TopicPattern):
            return topic.text
        if isinstance(topic, FreeTopic):
            if self._auth is None:
                # Which says what there is: without tokens, nobody can publish to others.
                parse_topic(topic.name)
            return topic.name
        if isinstance(topic, TicksTopic | CandlesTopic):
            return self._publisher.check(topic)
        if isinstance(topic, AdminTopic):
            if self._auth is None or not self._is_for_operators:
                raise InvalidParametersError(f"topic {str(topic)!r} is for operators, at an address of their own, with a token")
            return str(topic)
        prepared = await self._publisher.prepare(topic)
        if prepared is None:
            raise InvalidParametersError(f"topic {str(topic)!r}: this server has no trading")
        return prepared


def other_names(names: Iterable[str], carried: Iterable[str]) -> dict[str, str]:
    """Return the names of topics that have others here than those by which they were asked for; both come in the same order."""
    return {name: topic for name, topic in zip(names, carried, strict=False) if name != topic}


def bind(stream_id: str, token: Token, auth: AuthService, permit: Permit) -> Callable[[], None]:
    """
    Have a stream end with its token.

    Returns:
        what is to be called when the stream has ended: it gives back the permit, too.

    Raises:
        UnauthorizedError: the token has ended meanwhile.
    """
    confirm(auth, token)
    token_watch = auth.token_watch
    token_watch.begin(stream_id, token)

    def on_close() -> None:
        token_watch.forget(stream_id)
        permit.give_back()

    return on_close
