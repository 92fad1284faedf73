"""The streams that gateways hold, as the server knows them: their topics are published, and they are changed and ended, like its own."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from pricewire.hub.hub import Hub
from pricewire.hub.streams import Follow, Stream, StreamSpec
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.auth.tokens import Token
from pricewire.server.following import Following
from pricewire.server.gateways.forms import selector_to_message, to_message
from pricewire.server.gateways.messages import Changed, Command, Ended, Renewed, StreamPlan
from pricewire.server.gateways.subjects import SILENCE_S, SYNC_S

SETTLED_S = 2 * SYNC_S
"""From so many seconds on a stream that its gateway does not name has ended: before, the two may have missed each other."""


class RemoteStream(Stream):
    """
    A stream that a gateway holds.

    Attributes:
        gateway: the gateway's name.
        endpoint: what it is counted as; empty for what is no stream of a client.
        spec: what it carries.
        since: when it was opened, in seconds of `time.monotonic`.
    """

    __slots__ = ("endpoint", "gateway", "since", "spec")

    def __init__(self, stream_id: str, gateway: str, endpoint: str, spec: StreamSpec, on_close: Callable[[], None] | None) -> None:
        super().__init__(stream_id, on_close)
        self.gateway = gateway
        self.endpoint = endpoint
        self.spec = spec
        self.since = time.monotonic()


class Offer:
    """
    The offer, for one request from a gateway, to have the gateway hold the stream; see `RemoteOffer`.

    Attributes:
        plan: what the gateway is to hold; None where the request is for no stream.
        prelude: encoded events that come first.
        for_operators: whether the request came to where operators are answered.

    Args:
        hub: the server's hub.
        gateway: the gateway's name.
        for_operators: the same.
    """

    def __init__(self, hub: HubOfGateways, gateway: str, *, for_operators: bool) -> None:
        self.for_operators = for_operators
        self.plan: StreamPlan | None = None
        self.prelude = b""
        self._hub = hub
        self._gateway = gateway
        self._endpoint = ""
        self._client: str | None = None
        self._token: Token | None = None

    def describe(self, endpoint: str, client: str | None, token: Token | None) -> None:
        """Note what the stream will be counted as, whose it is, and what it ends with."""
        self._endpoint, self._client, self._token = endpoint, client, token

    def take(
        self, stream_id: str, spec: StreamSpec, prelude: bytes, on_close: Callable[[], None] | None, last_event_id: str | None = None
    ) -> Stream:
        """
        Have the gateway hold a stream.

        Raises:
            Exception: of a publisher that cannot begin.
        """
        self.prelude = prelude
        self.plan = StreamPlan(
            stream_id=stream_id,
            endpoint=self._endpoint,
            client=self._client,
            token=self._token,
            topics=spec.topics,
            follow=as_plan(spec),
            most=spec.most,
            form=to_message(spec.form),
            interval=spec.interval,
            control=spec.control,
            selector=selector_to_message(spec.selector),
            last_event_id=last_event_id,
        )
        return self._hub.open_remote(RemoteStream(stream_id, self._gateway, self._endpoint, spec, on_close))


class HubOfGateways(Hub):
    """
    A hub that also knows the streams that gateways hold.

    Attributes:
        on_command: called with a gateway's name and what is to become of a stream that it holds.
        gateways: when each gateway was heard last, in seconds of `time.monotonic`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.on_command: Callable[[str, Command], None] = lambda gateway, command: None
        self.gateways: dict[str, float] = {}
        self._remote: dict[str, RemoteStream] = {}
        self._of: defaultdict[str, set[str]] = defaultdict(set)
        # How many streams of gateways follow topics, by the names of those that they have besides.
        self._follows: Counter[tuple[tuple[str, ...], Follow]] = Counter()

    @property
    def remote_streams(self) -> Counter[str]:
        """How many streams of each endpoint gateways hold."""
        return Counter(each.endpoint for each in self._remote.values())

    def readers(self, topic: str) -> int:
        """Return how many streams a topic has, here and on gateways."""
        if topic not in self._topics:
            return 0
        return super().readers(topic) + sum(
            count for (named, follow), count in self._follows.items() if topic not in named and follow(topic)
        )

    def find(self, stream_id: str) -> tuple[Stream, StreamSpec] | None:
        """Return a stream, here or on a gateway, and what it carries by its id; None where there is none."""
        remote = self._remote.get(stream_id)
        return super().find(stream_id) if remote is None else (remote, remote.spec)

    def change(self, stream: Stream, spec: StreamSpec, confirmation: bytes) -> None:
        """Change what an open stream carries, as `Hub.change` does, where it is."""
        if not isinstance(stream, RemoteStream):
            super().change(stream, spec, confirmation)
            return
        if stream.id not in self._remote:
            return
        before, stream.spec = stream.spec, spec
        self._enter(spec)
        self._leave(before)
        # The position is set when it is sent.
        self.on_command(stream.gateway, Changed(stream.id, spec.topics, spec.interval, confirmation, 0, as_plan(spec), spec.most))

    def end(self, stream: Stream, stream_end: StreamEnd, *, retry: int | None = None) -> None:
        """End a stream in an orderly way, where it is."""
        if not isinstance(stream, RemoteStream):
            super().end(stream, stream_end, retry=retry)
        elif stream.id in self._remote:
            self.on_command(stream.gateway, Ended(stream.id, stream_end.name))
            self.close_remote([stream.id])

    def renewed(self, stream_id: str, token: Token) -> None:
        """Have a stream end with another token, where it is."""
        remote = self._remote.get(stream_id)
        if remote is not None:
            self.on_command(remote.gateway, Renewed(stream_id, token))

    def open_remote(self, stream: RemoteStream) -> RemoteStream:
        """
        Count a stream that a gateway holds among those of its topics.

        Raises:
            Exception: of a publisher that cannot begin.
        """
        self._enter(stream.spec)
        self._begin()
        self._upkeep.begin()
        self._remote[stream.id] = stream
        self._of[stream.gateway].add(stream.id)
        self.counters.streams_opened += 1
        return stream

    def close_remote(self, stream_ids: list[str]) -> None:
        """Forget streams that have ended; harmless for those that are not known."""
        for stream_id in stream_ids:
            stream = self._remote.pop(stream_id, None)
            if stream is not None:
                self._of[stream.gateway].discard(stream_id)
                self._leave(stream.spec)
                stream.closed()

    def sync(self, gateway: str, stream_ids: list[str], after: str = "", until: str = "") -> list[str]:
        """
        Take note of the streams that a gateway holds, and forget those that it no longer does; return the ids of those that are not known.

        Args:
            gateway: the gateway's name.
            stream_ids: all that it holds whose ids come after `after`, and not after `until`.
            after: an id; empty from the first one on.
            until: an id; empty up to the last one.
        """
        now = time.monotonic()
        self.gateways[gateway] = now
        held = set(stream_ids)
        named = {each for each in self._of[gateway] if after < each and (not until or each <= until)}
        gone = [each for each in named - held if now - self._remote[each].since > SETTLED_S]
        self.close_remote(gone)
        return [each for each in stream_ids if each not in self._remote]

    def end_silent(self) -> None:
        """Forget the streams of gateways that have not been heard for long: they are dead, and their readers are elsewhere."""
        now = time.monotonic()
        for gateway, heard_at in list(self.gateways.items()):
            if now - heard_at > SILENCE_S:
                del self.gateways[gateway]
                self.close_remote(list(self._of.pop(gateway, ())))

    def want(self, process: str, topics: list[str]) -> None:
        """
        Count a process among the streams of topics, until it is silent for long or says others.

        Args:
            process: its name.
            topics: all that it has streams of, sorted.

        Raises:
            Exception: of a publisher that cannot begin.
        """
        self.gateways[process] = time.monotonic()
        stream = self._remote.get(process)
        if stream is None:
            self.open_remote(RemoteStream(process, process, "", StreamSpec(tuple(topics)), None))
        elif stream.spec.topics != tuple(topics):
            before, stream.spec = stream.spec, StreamSpec(tuple(topics))
            self._enter(stream.spec)
            self._leave(before)

    def _enter(self, spec: StreamSpec) -> None:
        self._topics.enter(spec.topics)
        if spec.follow is not None:
            self._follows[spec.topics, spec.follow] += 1

    def _leave(self, spec: StreamSpec) -> None:
        # It tells the publishers when nobody has come back to a topic.
        self._upkeep.begin()
        if spec.follow is not None:
            key = spec.topics, spec.follow
            self._follows[key] -= 1
            if not self._follows[key]:
                del self._follows[key]
        self._topics.end(self._topics.leave([self._topics[name] for name in spec.topics]))


def as_plan(spec: StreamSpec) -> Following | None:
    """Return what a stream follows, as a gateway is told."""
    assert spec.follow is None or isinstance(spec.follow, Following), "the server has made it"  # noqa: S101
    return spec.follow
