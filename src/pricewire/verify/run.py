"""Tests an event stream: what is asked for and when, gently; the rules judge what has been recorded."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from pricewire.errors import PricewireError
from pricewire.verify import over_http2
from pricewire.verify.checks import RULES
from pricewire.verify.checks.requests import EXPIRED_S, ORIGIN, SENT_HEADERS
from pricewire.verify.checks.resuming import is_caught_up, missed, with_ids
from pricewire.verify.checks.timing import COMPRESSED_S, SAME_AGE_S
from pricewire.verify.exchange import End, Exchange
from pricewire.verify.facts import Expiring, Facts, Published, Resume, Resumed, Slow
from pricewire.verify.probe import READ, Connect, Connection, Lag, Stream, close, connector, now, shake_hands
from pricewire.verify.report import Report
from pricewire.verify.scanner import Place
from pricewire.verify.servers import advise, recognise
from pricewire.verify.target import Target, merged, parse_target
from pricewire.verify.verdicts import Finding, Verdict

USUAL = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "User-Agent": "pricewire-verify",
}
"""What is sent unless a test wants something else."""

ANSWER_S = 10.0
"""How long an answer is waited for, in seconds."""

SETTLE_S = 0.5
"""How long it is seen, in seconds, whether something comes that should not."""

MOST_STREAMS = 20
"""How many connections a gentle test makes at most; those of --load, and those in place of broken ones, not counted."""

TRIES = 5
"""How often a request is made whose connection breaks without an answer: the line may have broken it."""

PAUSE_S = 0.5
"""How long is waited before it is made again, in seconds."""

MOST_REDIRECTS = 5

PUBLISHED = 6
"""How many events are published."""

PUBLISHED_SHARE = 0.35
"""In which share of the time: what comes later disturbs."""

STORM_S = 30.0
"""How long many streams may take to open, in seconds."""

SHUTDOWN_S = 15.0
"""How long streams may take to end after the command that stops their server, in seconds."""

SHUTDOWN_STREAMS = 3

STEP = 16
"""How many bytes are read at once by who is to be cut off in the middle of an event."""

SLOW_SHARES = ((0.35, 0.6), (0.7, 0.95))
"""In which shares of the time a slow reader does not read."""

UNKNOWN_ID = "pricewire-verify-unknown-id"

WRONG_TOKEN = "pricewire-verify-wrong-token"  # noqa: S105 - it is nobody's

Action = Callable[[], Awaitable[None]]
"""Does something; what it raises as a `PricewireError` is told."""


@dataclass(frozen=True)
class Options:
    """
    How a stream is tested.

    Attributes:
        headers: sent with each request; a name replaces what would be sent.
        token: returns a bearer token.
        publish: makes an event that the stream brings.
        shutdown: stops the server.
        until: for how long the stream is watched, in seconds.
        load: how many streams are opened at once; 0 for none.
        context: for TLS, where a server's certificate is of an authority of one's own.
    """

    headers: tuple[tuple[str, str], ...] = ()
    token: Callable[[], Awaitable[str]] | None = None
    publish: Action | None = None
    shutdown: Action | None = None
    until: float = 30.0
    load: int = 0
    context: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Surroundings:
    """
    What a test runs in.

    Attributes:
        progress: is told what is being done.
        connect: opens connections to a target.
        epoch: returns the time since 1970, in seconds.
    """

    progress: Callable[[str], None] = lambda _: None
    connect: Callable[[Target, ssl.SSLContext | None], Connect] = connector
    epoch: Callable[[], float] = time.time


async def verify(url: str, options: Options | None = None, surroundings: Surroundings | None = None) -> Report:
    """
    Test an event stream.

    Args:
        url: its address.
        options: how; by default for half a minute, with at most 20 streams.
        surroundings: what the test runs in.

    Raises:
        PricewireError: the address is none of http or https, or no token could be had.
    """
    options, surroundings = options or Options(), surroundings or Surroundings()
    run = Run(parse_target(url), options, surroundings)
    started = now()
    async with Lag() as lag:
        try:
            await run.run()
        finally:
            await run.leave()
    facts = run.facts
    facts.lag = lag.worst
    servers = recognise(exchange.head for exchange in facts.exchanges if exchange.head is not None)
    return Report(
        url=facts.url, servers=servers, findings=judge(facts, servers), connections=run.connections, seconds=round(now() - started, 1)
    )


def judge(facts: Facts, servers: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """
    Return what all rules find in what was recorded.

    Args:
        facts: what was recorded.
        servers: whose names the advice may use.
    """
    findings = []
    for rule in RULES:
        outcome = rule(facts)
        advice = advise(rule.name, servers) if outcome.verdict in (Verdict.FAILED, Verdict.WARNED) else ()
        findings.append(Finding(rule.name, rule.title, outcome.verdict, outcome.detail, outcome.evidence, rule.source, advice))
    return tuple(findings)


@dataclass
class Run:
    """
    One test of one stream, as it goes on.

    Attributes:
        target: which stream.
        options: how.
        surroundings: what it runs in.
        facts: what is recorded.
        connections: how many connections it has made, those of --load not counted.
    """

    target: Target
    options: Options
    surroundings: Surroundings
    facts: Facts = field(init=False)
    connections: int = 0
    _token: str = ""
    _watch: Stream = field(init=False)
    _http2: over_http2.Http2Stream | None = None
    _spare: Connection | None = None

    def __post_init__(self) -> None:
        self.facts = Facts(Exchange("watch"), until=self.options.until)
        self._context = (self.options.context or ssl.create_default_context()) if self.target.is_tls else None

    async def run(self) -> None:
        """Do all of it."""
        say = self.surroundings.progress
        facts, options = self.facts, self.options
        facts.has_token = options.token is not None or any(name.lower() == "authorization" for name, _ in options.headers)
        await self._renew_token()
        say("opening the stream")
        await self._open_watch()
        facts.url, facts.query = self.target.shown, self.target.parameters
        facts.is_local, facts.is_tls = self.target.is_local, self.target.is_tls
        try:
            if facts.watch.is_stream:
                if facts.has_token:
                    await self._ask_without_token()
                say(f"watching it for {options.until:g} s, and asking for it in other ways meanwhile")
                await self._watch_for_a_while()
        finally:
            await self._watch.leave()
            await self.leave()
        if facts.watch.is_stream and facts.watch.is_broken_off:
            say("the stream broke off; watching another one for as long")
            await self._watch_again()
        if facts.expiring is not None:
            facts.expiring = Expiring(facts.watch, facts.expiring.expires_at, facts.watch.ended)
        if facts.watch.is_stream and options.load:
            say(f"opening {options.load} streams at once")
            await self._storm()
        if facts.watch.is_stream and options.shutdown is not None:
            say("having the server stop")
            await self._shut_down(options.shutdown)

    async def leave(self) -> None:
        """Close the connection of HTTP/2, if there is one."""
        if self._http2 is not None:
            self.facts.most_streams = self._http2.most_streams
            await self._http2.leave()
        if self._spare is not None:
            await close(self._spare[1])
        self._http2 = self._spare = None

    async def _watch_for_a_while(self) -> None:
        """Watch the stream, and do meanwhile what does not disturb it."""
        async with asyncio.TaskGroup() as group:
            compressing = group.create_task(self._be_compressed())
            async with asyncio.TaskGroup() as others:
                others.create_task(self._ask())
                others.create_task(self._resume())
                others.create_task(self._be_slow())
                if self.options.publish is not None:
                    others.create_task(self._publish(self.options.publish))
                await self._watch.until(lambda: False, self._left())
            self.surroundings.progress("resuming after the oldest event")
            await self._resume_later()
            compressed = await compressing
            await compressed.leave()

    async def _be_compressed(self) -> Stream:
        """Open a stream as browsers do, which allow compression."""
        asked = {"Accept-Encoding": "gzip, deflate", "Origin": ORIGIN}
        stream = await self._ask_for("compressed", asked, seconds=COMPRESSED_S)
        self.facts.requests["compressed"] = stream.exchange
        return stream

    async def _watch_again(self) -> None:
        """Watch another stream until it is older than the one that broke off."""
        stream = await self._ask_for("again", seconds=ANSWER_S)
        exchange = self.facts.requests["again"] = stream.exchange
        lasted = self.facts.watch.ended - self.facts.watch.started
        await stream.until(lambda: False, exchange.started + 1.1 * lasted + 2 * SAME_AGE_S - now())
        await stream.leave()

    def _left(self, share: float = 1.0) -> float:
        """Return how long it is until a share of the time to watch is over, in seconds."""
        return max(0.0, self.facts.watch.started + share * self.options.until - now())

    async def _renew_token(self) -> None:
        """Have a token that is still good for the next request."""
        left = self._token_left()
        if self.options.token is not None and (not self._token or (left is not None and left < EXPIRED_S)):
            self._token = await self.options.token()
            if not self._token or any(not mark.isprintable() or not mark.isascii() for mark in self._token):
                raise PricewireError("the token is empty or has characters that no header may have; print it alone, on one line")

    def _token_left(self) -> float | None:
        """Return for how long the token is good, in seconds; None where it does not say."""
        ends = expiry(self._token)
        return None if ends is None else ends - self.surroundings.epoch()

    def _headers(self, more: Mapping[str, str], without: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
        """Return the header fields of a request."""
        given = [(name, value) for name, value in self.options.headers if name.lower() not in {each.lower() for each in more}]
        token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return merged({**USUAL, **token, **more}, given, without)

    def _request(self, method: str, more: Mapping[str, str], without: frozenset[str] = frozenset(), query: str = "") -> bytes:
        return self.target.request(method, self._headers(more, without), query=query)

    async def _open(
        self,
        name: str,
        more: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        without: frozenset[str] = frozenset(),
        query: str = "",
        is_slow: bool = False,
        step: int = READ,
        stop: Callable[[Exchange], bool] | None = None,
    ) -> Stream:
        """
        Send a request, and begin to record what comes.

        Args:
            name: what it is for.
            more: header fields, instead of the usual ones.
            method: the method.
            without: names of header fields that are left out.
            query: what is added to the query.
            is_slow: whether it is not read until somebody begins to.
            step: how many bytes are read at once.
            stop: says after each read whether it was the last.
        """
        await self._renew_token()
        self.connections += 1
        stream = Stream(Exchange(name, now(), method))
        connect = self.surroundings.connect(self.target, self._context)
        await stream.open(connect, self._request(method, more or {}, without, query), is_slow=is_slow)
        if not is_slow:
            stream.read(step, None if stop is None else lambda: stop(stream.exchange))
        return stream

    async def _ask_for(
        self,
        name: str,
        more: Mapping[str, str] | None = None,
        *,
        seconds: float,
        method: str = "GET",
        without: frozenset[str] = frozenset(),
        query: str = "",
    ) -> Stream:
        """Send a request, as `_open` does, and wait so many seconds for an answer; again where the connection breaks before it comes."""
        number = 0
        while True:
            stream = await self._open(name, more, method=method, without=without, query=query)
            await stream.answered(seconds)
            number += 1
            if not stream.exchange.is_broken:
                self.facts.recovered += number > 1
                return stream
            if number == TRIES:
                return stream
            self.facts.broken += 1
            await stream.leave()
            self.surroundings.progress(f"the connection broke without an answer ({name}); trying again")
            await asyncio.sleep(PAUSE_S)

    async def _open_watch(self) -> None:
        """Open the stream that is watched, where redirections lead to."""
        facts = self.facts
        while True:
            if self._context is not None:
                facts.tls, self._spare = await shake_hands(self.target, self._context)
                self.connections += 1
            self._watch = await self._ask_for("watch", seconds=max(ANSWER_S, self.options.until))
            facts.watch = self._watch.exchange
            head = facts.watch.head
            location = head.get("location") if head is not None and head.status in (301, 302, 303, 307, 308) else None
            if location is None or len(facts.redirects) == MOST_REDIRECTS:
                break
            target = self.target.follow(location)
            if (target.scheme, target.authority) != (self.target.scheme, self.target.authority):
                # What was given for one server is not for another.
                break
            await self.leave()
            await self._watch.leave()
            facts.redirects.append(target.shown)
            self.target = target
        if self._spare is not None and facts.watch.is_stream and over_http2.is_possible:
            self._http2 = over_http2.Http2Stream(self._spare, self.target, self._headers({}))
            facts.http2, self._spare = self._http2.exchange, None
        left = self._token_left()
        if left is not None and left < self.options.until - EXPIRED_S:
            facts.expiring = Expiring(facts.watch, now() + left, 0.0)

    async def _answer(
        self, name: str, more: Mapping[str, str] | None = None, *, method: str = "GET", query: str = "", token: bool = True
    ) -> None:
        """Send a request and record the beginning of its answer."""
        without = frozenset[str]() if token else frozenset({"authorization", "cookie"})
        stream = await self._ask_for(name, more, seconds=ANSWER_S, method=method, query=query, without=without)
        exchange = self.facts.requests[name] = stream.exchange
        try:
            if exchange.head is not None:
                await stream.ended(SETTLE_S)
            is_kept = exchange.head is not None and exchange.end is End.OPEN and "close" not in exchange.head.words("connection")
            if method == "HEAD" and is_kept and not exchange.pieces:
                again = self.facts.requests["HEAD again"] = Exchange("HEAD again", now(), "HEAD")
                stream.ask_again(self._request("HEAD", {}), again)
                await stream.answered(ANSWER_S)
        finally:
            exchange.finish(End.LEFT, now())
            await stream.leave()

    async def _ask_without_token(self) -> None:
        """See what those get who have no token, or a wrong one."""
        await self._answer("no token", token=False)
        await self._answer("wrong token", {"Authorization": f"Bearer {WRONG_TOKEN}"})
        # A token in an address is logged somewhere, so only one is used that can be had anew.
        if self.options.token is not None:
            await self._answer("token in address", query=f"access_token={self._token}&token={self._token}", token=False)

    async def _ask(self) -> None:
        """Ask for the stream in other ways, one after the other."""
        await self._answer("HEAD", method="HEAD")
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": ",".join(SENT_HEADERS)}
        # Browsers send no token here.
        await self._answer("preflight", asked, method="OPTIONS", token=False)
        await self._answer("any Accept", {"Accept": "*/*"})
        await self._answer("wrong Accept", {"Accept": "application/json"})
        await self._answer("unknown id", {"Last-Event-ID": UNKNOWN_ID})

    async def _publish(self, publish: Action) -> None:
        """Publish some events, spread over most of the time."""
        for number in range(1, PUBLISHED + 1):
            started = now()
            try:
                await publish()
                self.facts.published.append(Published(started, now()))
            except PricewireError as error:
                self.facts.published.append(Published(started, now(), str(error)))
                self.surroundings.progress(f"publishing failed: {error}")
            await asyncio.sleep(self._left(PUBLISHED_SHARE * number / PUBLISHED))

    async def _resume(self) -> None:
        """Resume after one of the newest events, and where a stream was cut off in the middle of one."""
        watch = self._watch
        await watch.until(lambda: len(with_ids(watch.exchange.arrivals)) >= 4, self._left(0.6))
        known = with_ids(watch.exchange.arrivals)
        if len(known) >= 2:
            await self._go_on(Resume.AT_ONCE, known[max(0, len(known) - 3)].event.last_event_id)
        if known:
            cut = await self._open("cut", step=STEP, stop=is_in_an_event)
            await cut.until(lambda: is_in_an_event(cut.exchange), self._left(0.8))
            await cut.leave(abort=True)
            if is_in_an_event(cut.exchange):
                after = cut.exchange.arrivals[-1].event.last_event_id
                # The event that was cut off is what the watched stream gets next.
                await watch.until(lambda: bool(missed(watch.exchange, after, now())), self._left())
                await self._go_on(Resume.AFTER_A_CUT, after)

    async def _resume_later(self) -> None:
        """Resume after one of the oldest events: the first that was none of the values that a stream begins with."""
        known = with_ids(self.facts.watch.arrivals)
        live = [earlier for earlier, later in pairwise(known) if later.at > known[0].at and earlier is not known[-1]]
        if live:
            await self._go_on(Resume.LATER, live[0].event.last_event_id)

    async def _go_on(self, kind: Resume, after: str) -> None:
        """Ask for the stream after an event, and record what comes until it has caught up."""
        asked_at = now()
        stream = await self._ask_for(kind.value, {"Last-Event-ID": after}, seconds=max(ANSWER_S, self._left()))
        self.facts.resumed.append(Resumed(kind, after, stream.exchange, asked_at))
        try:
            # What has not come by then may be late as well as lost; while the stream is watched anyway there is time to tell.
            caught_up = lambda: is_caught_up(self.facts.watch, stream.exchange, after, asked_at)  # noqa: E731
            await stream.until(caught_up, max(ANSWER_S, self._left()))
            await stream.ended(SETTLE_S)
        finally:
            await stream.leave()

    async def _be_slow(self) -> None:
        """Open a stream and do not read it for a while, twice: a silence of the others that comes again is no accident."""
        await asyncio.sleep(self._left(SLOW_SHARES[0][0]))
        stream = await self._open("slow", is_slow=True)
        try:
            for begins, ends in SLOW_SHARES:
                await asyncio.sleep(self._left(begins))
                await stream.pause()
                begun = now()
                await asyncio.sleep(self._left(ends))
                self.facts.slow.append(Slow(stream.exchange, begun, now()))
                stream.read()
            await stream.answered(ANSWER_S)
        finally:
            await stream.leave(abort=True)

    async def _storm(self) -> None:
        """Open many streams at once."""
        before = self.connections
        streams = await asyncio.gather(*(self._open("storm") for _ in range(self.options.load)))
        self.connections = before
        self.facts.storm = [stream.exchange for stream in streams]
        ends = now() + STORM_S
        for stream in streams:
            await stream.answered(ends - now())
        await asyncio.gather(*(stream.leave() for stream in streams))
        # The server has to see that they are gone.
        await asyncio.sleep(SETTLE_S)

    async def _shut_down(self, shutdown: Action) -> None:
        """Have the server stop while it has streams."""
        streams = [await self._open("shutdown") for _ in range(SHUTDOWN_STREAMS)]
        try:
            for stream in streams:
                await stream.answered(ANSWER_S)
            self.facts.shutdown = [stream.exchange for stream in streams if stream.exchange.is_stream]
            self.facts.shutdown_at = now()
            await shutdown()
            ends = now() + SHUTDOWN_S
            for stream in streams:
                await stream.until(lambda: False, ends - now())
        finally:
            for stream in streams:
                await stream.leave()


def is_in_an_event(exchange: Exchange) -> bool:
    """Return whether the newest bytes of a stream are a part of an event that follows one with an id."""
    scanner = exchange.scanner
    return scanner.place is Place.IN_A_LINE and scanner.rest.startswith(b"data") and bool(with_ids(scanner.arrivals[-1:]))


def expiry(token: str) -> float | None:
    """Return when a token ends, in seconds since 1970; None where it is no JWT or does not say. Source: RFC 7519, section 4.1.4."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    ends = claims.get("exp") if isinstance(claims, dict) else None
    return float(ends) if isinstance(ends, int | float) else None
