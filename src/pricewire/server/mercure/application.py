"""The hub of the Mercure protocol as an ASGI application: subscribing, publishing, and what it tells of itself."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import cast

import msgspec
from litestar.exceptions import HTTPException

from pricewire.bus.tasks import running
from pricewire.errors import BusError, InvalidTokenError, InvalidTopicError, StreamRefusedError, UnavailableError, quoted
from pricewire.protocol.free_topics import UPDATES, is_own
from pricewire.protocol.topics import TicksTopic, Topic
from pricewire.server.auth.grants import Action, may
from pricewire.server.auth.service import AuthService
from pricewire.server.auth.token_watch import TokenWatch
from pricewire.server.auth.tokens import Token
from pricewire.server.client_address import Address, limit_key
from pricewire.server.limits import Admission, Permit
from pricewire.server.logs import logged
from pricewire.server.mercure.access_tokens import AccessToken, AccessTokens, is_access_token
from pricewire.server.mercure.answers import Challenges, Headers, RefusedError, send_body, send_json, send_refusal
from pricewire.server.mercure.configuration import MercureSetup, read_setup
from pricewire.server.mercure.discovery import METADATA, metadata, metadata_url
from pricewire.server.mercure.link import hub_link
from pricewire.server.mercure.matchers import EVERYTHING, EXACT, URL_PATTERN, Matcher
from pricewire.server.mercure.publication import MAX_BODY, encoded, read_publication
from pricewire.server.mercure.request import FORM, HubRequest
from pricewire.server.mercure.selection import Selection
from pricewire.server.mercure.subscription_query import read_matchers
from pricewire.server.mercure.subscriptions import Subscription, Subscriptions
from pricewire.server.mercure.texts import InvalidRequestError, TooLargeError, parse_form
from pricewire.server.mercure.update import FORMAT, Update, new_id, update_of
from pricewire.server.publisher import Publisher
from pricewire.server.stream_opener import DescribedOffer, StreamOpener, bind
from pricewire.server.stream_query import parse_requested
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EXPOSED_HEADERS, EventStream, new_stream_id
from pricewire.server.transport.remote import REMOTE

ENDPOINT = "mercure"
"""What its streams are counted as."""

MOST_PATTERNS = 1000
"""How many patterns the streams of one address may have: a new topic takes some microseconds for each that it may match."""

METHODS = "GET, HEAD, POST, QUERY"
ALLOWED_HEADERS = "Authorization, Cache-Control, Content-Type, Last-Event-ID"
EXPOSED = ", ".join(["Link", "Mercure-Last-Event-ID", "Accept-Query", "Retry-After", "WWW-Authenticate", *EXPOSED_HEADERS])

TOKEN_PARAMETERS = ("access_token", "authorization")
"""The parameters that would put a token into an address."""

COOKIE_0_X = "mercureAuthorization"


class Posted(msgspec.Struct, frozen=True):
    """An update as a message for the bus."""

    topic: str
    data: msgspec.Raw
    key: str | None = None
    event: str = "update"
    ends: str | None = None


class Caller:
    """
    Who sends a request.

    Attributes:
        token: the token that it comes with; None for none.
        access: what it says besides, where it is an access token.
        came_by_cookie: whether the browser has sent it by itself.
    """

    def __init__(self, token: Token | None, access: AccessToken | None = None, *, came_by_cookie: bool = False) -> None:
        self.token = token
        self.access = access
        self.came_by_cookie = came_by_cookie

    def may(self, action: Action, topic: str) -> bool:
        """Return whether its token grants an action on a topic."""
        return self.token is not None and may(action, topic, self.token.grants)


class MercureHub:
    """
    Answers the requests to the hub.

    Args:
        setup: what the operator says.
        publisher: has the hub of streams, and the bus.
        admission: counts streams.
        auth: returns what checks the server's own tokens; None where it has none.
        opener: returns what checks who may see the server's own topics.
        origins: the origins whose pages may come without a cookie; `*` for any.

    Raises:
        PricewireError: a key cannot be read.
    """

    def __init__(
        self,
        setup: MercureSetup,
        publisher: Publisher,
        admission: Admission,
        auth: Callable[[], AuthService | None],
        opener: Callable[[], StreamOpener],
        origins: Sequence[str],
    ) -> None:
        self._setup = setup
        self._publisher = publisher
        self._admission = admission
        self._auth = auth
        self._opener = opener
        self._origins = origins
        self._access_tokens = AccessTokens(setup)
        self._token_watch = TokenWatch(publisher.hub, on_renewed=getattr(publisher.hub, "renewed", None))
        self._challenges = Challenges(metadata_url(setup))
        self._patterns: Counter[Hashable] = Counter()
        self._subscriptions = Subscriptions(setup.path, self._publish_now, speaks_0_x=setup.speaks_0_x) if setup.subscriptions else None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """End streams with their tokens within the block."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._access_tokens.aclose)
            await stack.enter_async_context(running(self._token_watch.run(), "token expiry"))
            yield

    def answers(self, path: str) -> bool:
        """Return whether a path is the hub's."""
        own = self._setup.path
        return path == own or path.startswith(f"{own}/subscriptions") or path == f"{METADATA}{own}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = HubRequest(scope)
        scope["path_template"] = scope["path"] if "/subscriptions" not in scope["path"] else f"{self._setup.path}/subscriptions"
        headers = self._cors(request)
        try:
            answer = await self._answer(request, receive, send, headers)
        except RefusedError as refused:
            await send_refusal(send, refused, headers)
        except TooLargeError as error:
            await send_refusal(send, RefusedError(413, str(error)), headers)
        except (InvalidRequestError, InvalidTopicError) as error:
            await send_refusal(send, RefusedError(400, str(error)), headers)
        except StreamRefusedError as error:
            await send_refusal(send, RefusedError(429, str(error), [(b"retry-after", b"%d" % error.retry_after)]), headers)
        except (UnavailableError, BusError) as error:
            await send_refusal(send, RefusedError(503, str(error), [(b"retry-after", b"2")]), headers)
        except HTTPException as error:
            own = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
            await send_refusal(send, RefusedError(error.status_code, error.detail, own), headers)
        else:
            if answer is not None:
                await answer(scope, receive, send)

    async def _answer(self, request: HubRequest, receive: Receive, send: Send, headers: Headers) -> EventStream | None:
        path, method = str(request.scope["path"]), request.method
        if method == "OPTIONS":
            await self._preflight(request, send, headers)
        elif path == f"{METADATA}{self._setup.path}":
            _require(method, "GET", "HEAD")
            await send_json(send, metadata(self._setup), [(b"cache-control", b"max-age=3600"), *headers])
        elif path != self._setup.path:
            _require(method, "GET", "HEAD")
            await self._show_subscriptions(request, send, headers)
        elif method == "POST":
            await self._publish(request, receive, send, headers)
        else:
            _require(method, "GET", "HEAD", "QUERY", "POST")
            return await self._subscribe(request, receive, headers)
        return None

    # Subscribing

    async def _subscribe(self, request: HubRequest, receive: Receive, headers: Headers) -> EventStream:
        parameters = list(request.query)
        if request.method == "QUERY":
            parameters += parse_form(await request.form(receive, MAX_BODY))
        caller = await self._caller(request)
        if caller.token is None and not self._setup.anonymous:
            raise self._challenges.missing("this hub's subscribers need a token: send it as 'Authorization: Bearer …'")
        matchers = read_matchers(parameters, self._setup.url, speaks_0_x=self._setup.speaks_0_x)
        own = await self._own_topics(matchers, caller)
        client = self._admission.client(request.scope)
        self._admission.ask_for_topics(client, len(matchers) + len(own), [])
        grants = () if caller.token is None else caller.token.grants
        selection = Selection(tuple(sorted(matchers)), tuple(grants))
        with self._admission.admit(ENDPOINT, client, None if caller.token is None else caller.token.account) as permit:
            permit.carry(own)
            stream_id = new_stream_id()
            permit.name(stream_id)
            offer = cast("DescribedOffer | None", (request.scope.get("extensions") or {}).get(REMOTE))
            if offer is not None:
                offer.describe(ENDPOINT, None if client is None else str(client), caller.token)
            on_close = self._counted(client, matchers, self._bound(stream_id, caller, permit))
            stream = EventStream(
                self._publisher.hub,
                [UPDATES, *own],
                form=FORMAT,
                control=False,
                stream_id=stream_id,
                on_close=logged(on_close, lambda: stream.outcome, stream=stream_id, endpoint=ENDPOINT, topics=len(matchers)),
                selector=selection,
                last_event_id=self._last_event_id(request, parameters),
            )
        stream.raw_headers = [(b"accept-query", FORM.encode()), (b"link", hub_link(self._setup.url).encode()), *headers]
        if self._subscriptions is not None and request.method != "HEAD":
            subscriber = new_id()
            known = [Subscription(each, subscriber, None if caller.access is None else caller.access.payload_of(each)) for each in matchers]
            self._subscriptions.begin(stream_id, known)
        return stream

    def _bound(self, stream_id: str, caller: Caller, permit: Permit) -> Callable[[], None]:
        """Have a stream end with its token; return what is to be called when it has ended."""
        auth, token = self._auth(), caller.token
        if token is not None and token.expires_at <= time.time():
            raise self._challenges.invalid("the token has expired")
        end = permit.give_back
        if token is not None and caller.access is None and auth is not None:
            end = bind(stream_id, token, auth, permit)
        elif token is not None:
            self._token_watch.begin(stream_id, token)

        def on_close() -> None:
            self._token_watch.forget(stream_id)
            end()
            if self._subscriptions is not None:
                self._subscriptions.end(stream_id)

        return on_close

    def _counted(self, client: Address | None, matchers: Sequence[Matcher], on_close: Callable[[], None]) -> Callable[[], None]:
        """
        Count a stream's patterns for its address, as each new topic is compared with all; return what is to be called when it has ended.

        Raises:
            RefusedError: the address has too many.
        """
        key = None if client is None else limit_key(client)
        count = sum(matcher.kind not in (EXACT, EVERYTHING) for matcher in matchers)
        if key is None or count == 0:
            return on_close
        if self._patterns[key] + count > MOST_PATTERNS:
            on_close()
            message = f"the streams of this address have {self._patterns[key]} patterns; {MOST_PATTERNS} is the limit"
            raise RefusedError(429, message, [(b"retry-after", b"5")])
        self._patterns[key] += count

        def ended() -> None:
            self._patterns[key] -= count
            if not self._patterns[key]:
                del self._patterns[key]
            on_close()

        return ended

    async def _own_topics(self, matchers: Iterable[Matcher], caller: Caller) -> list[str]:
        """
        Return those of the server's own topics that matchers select, and that the caller may see; raises as `StreamOpener.check` does.

        `*` is for updates: who wants prices names them, or matches them by a pattern.
        """
        topics: dict[str, Topic] = {}
        for matcher in matchers:
            if matcher.kind == EXACT and is_own(matcher.text):
                topics[matcher.text] = cast("Topic", parse_requested(matcher.text))
            elif matcher.kind == URL_PATTERN:
                ticks = [TicksTopic(instrument.id) for instrument in self._publisher.market.instruments()]
                topics |= {str(topic): topic for topic in ticks if matcher.matches(str(topic))}
        return await self._opener().check(list(topics.values()), caller.token) if topics else []

    def _last_event_id(self, request: HubRequest, parameters: list[tuple[str, str]]) -> str | None:
        sent = request.header(b"last-event-id")
        if sent is not None:
            return sent
        names = ("last_event_id", "lastEventID", "Last-Event-ID") if self._setup.speaks_0_x else ("last_event_id",)
        return next((value for name, value in parameters if name in names), None)

    # Publishing

    async def _publish(self, request: HubRequest, receive: Receive, send: Send, headers: Headers) -> None:
        caller = await self._caller(request)
        if caller.token is None:
            raise self._challenges.missing("to publish takes a token: send it as 'Authorization: Bearer …'")
        if caller.came_by_cookie and request.source_origin not in (self._setup.origin, *self._setup.origins):
            raise self._challenges.insufficient("a cookie counts for pages of the hub's own origin and of the origins that it trusts")
        body = await request.form(receive, MAX_BODY)
        update = read_publication(body, self._setup.url, is_0_x=self._setup.speaks_0_x)
        refused = next((topic for topic in update.topics if not caller.may(Action.PUBLISH, topic)), None)
        if refused is not None:
            raise self._challenges.insufficient(f"the token is not for publishing to topic {quoted(refused)}")
        await self._publisher.bus.post([Posted(UPDATES, msgspec.Raw(encoded(update)))])
        await send_body(send, 200, update.id.encode(), "text/plain; charset=utf-8", headers)

    def _publish_now(self, update: Update) -> None:
        """Publish an update of the hub's own."""
        self._publisher.bus.publish(UPDATES, update, event="update")

    # Active subscriptions

    async def _show_subscriptions(self, request: HubRequest, send: Send, headers: Headers) -> None:
        base = f"{self._setup.path}/subscriptions"
        path = request.raw_path
        if self._subscriptions is None or (path != base and not path.startswith(f"{base}/")):
            raise RefusedError(404, "there is nothing of this name")
        caller = await self._caller(request)
        if caller.token is None:
            raise self._challenges.missing("this needs a token that grants 'subscribe' on it")
        if not caller.may(Action.READ, path):
            raise self._challenges.insufficient("the token does not grant 'subscribe' on this")
        newest = self._publisher.hub.newest_event(UPDATES)
        last_event_id = None if newest is None else update_of(newest).id
        found = self._subscriptions.document(path.removeprefix(base), last_event_id)
        if found is None:
            raise RefusedError(404, "there is no such subscription")
        document, media_type = found
        fields = [
            (b"cache-control", b"must-revalidate"),
            (b"etag", msgspec.json.encode(document.get("last_event_id", document.get("lastEventID")))),
            (b"link", hub_link(self._setup.url).encode()),
        ]
        await send_json(send, document, [*fields, *headers], media_type=media_type)

    # Who asks

    async def _caller(self, request: HubRequest) -> Caller:
        """
        Return who sends a request, by the token in the header, or else by that in the cookie.

        Raises:
            RefusedError: the token is not valid, or in the address.
        """
        text, came_by_cookie = request.bearer, False
        if text is None:
            if any(name in TOKEN_PARAMETERS for name, _ in request.query):
                raise self._challenges.malformed(
                    "a token in an address ends up in logs; send it as 'Authorization: Bearer …', or in the cookie. Treat it as leaked"
                )
            text = request.cookie(self._setup.cookie)
            if text is None and self._setup.speaks_0_x:
                text = request.cookie(COOKIE_0_X)
            if text is None:
                return Caller(None)
            came_by_cookie = True
            if request.origin is not None and request.origin not in (self._setup.origin, *self._setup.origins):
                raise RefusedError(403, f"the origin {quoted(request.origin)} is none whose pages may use the cookie")
        try:
            return await self._checked(text, came_by_cookie=came_by_cookie)
        except InvalidTokenError as error:
            raise self._challenges.invalid(str(error)) from None

    async def _checked(self, text: str, *, came_by_cookie: bool) -> Caller:
        auth = None if came_by_cookie else self._auth()
        if auth is not None and not is_access_token(text):
            try:
                return Caller(await auth.check(text))
            except InvalidTokenError:
                if not self._setup.speaks_0_x:
                    raise
        access = await self._access_tokens.check(text)
        return Caller(access.token, access, came_by_cookie=came_by_cookie)

    # Pages of other origins

    def _cors(self, request: HubRequest) -> list[tuple[bytes, bytes]]:
        """Return the headers by which a page of another origin may read the answer. Source: Fetch, section 3.3."""
        origin = request.origin
        if origin is None:
            return [(b"vary", b"Origin")]
        headers = [(b"vary", b"Origin"), (b"access-control-expose-headers", EXPOSED.encode())]
        if origin in self._setup.origins:
            return [*headers, (b"access-control-allow-origin", origin.encode()), (b"access-control-allow-credentials", b"true")]
        if "*" in self._origins:
            return [*headers, (b"access-control-allow-origin", b"*")]
        if origin in self._origins:
            return [*headers, (b"access-control-allow-origin", origin.encode())]
        return [(b"vary", b"Origin")]

    async def _preflight(self, request: HubRequest, send: Send, headers: Headers) -> None:
        fields = [
            (b"allow", METHODS.encode()),
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
            (b"access-control-max-age", b"600"),
        ]
        await send_body(send, 204, b"", "text/plain", [*fields, *headers])


def _require(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise RefusedError(405, f"{method} is not for this path", [(b"allow", ", ".join(allowed).encode())])


def read_hub(
    path: Path,
    publisher: Publisher,
    admission: Admission,
    auth: Callable[[], AuthService | None],
    opener: Callable[[], StreamOpener],
    origins: Sequence[str],
) -> MercureHub:
    """
    Return the hub that a file of TOML describes; the other arguments are those of `MercureHub`.

    Raises:
        PricewireError: the file, or one that it names, cannot be read, or has something else.
    """
    return MercureHub(read_setup(path), publisher, admission, auth, opener, origins)
