"""Finds out who sends a request: checks its token or ticket, and refuses it with what is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from pricewire.errors import InvalidTokenError, quoted
from pricewire.protocol.free_topics import AnyTopic, FreeTopic
from pricewire.protocol.messages import ErrorBody
from pricewire.protocol.topics import FORMS, AccountTopic, AdminTopic
from pricewire.server.auth.grants import Action, Grant, may
from pricewire.server.auth.service import AuthService
from pricewire.server.auth.tokens import ADMIN, PUBLISH, READ, TRADE, Token
from pricewire.server.http_errors import ForbiddenError, InvalidParametersError, UnauthorizedError
from pricewire.server.services import Services

UNAUTHORIZED = {
    401: ResponseSpec(
        ErrorBody, description="The token is missing or not valid; `WWW-Authenticate` says how to send one.", generate_examples=False
    )
}
FORBIDDEN = {403: ResponseSpec(ErrorBody, description="The token is for another account, or not for this.", generate_examples=False)}

SECURITY = [{"token": list[str]()}]
"""How the schema says that a request needs a token."""

TOKEN_NAMES = frozenset({"access_token", "auth_token", "authorization", "bearer", "id_token", "jwt", "token"})
"""Query parameters that people put tokens in."""

Ticket = Annotated[str | None, QueryParameter(description="Instead of a token: from `POST /v1/tickets`, for one stream, valid once.")]

AnyRequest = Request[Any, Any, Any]


class Caller:
    """Who sends a request, and the token that it carries, if any."""

    __slots__ = ("token",)

    def __init__(self, token: Token | None) -> None:
        self.token = token

    @property
    def account(self) -> str | None:
        """The caller's account; None without a token."""
        return None if self.token is None else self.token.account


class Principal(Caller):
    """A caller with a token."""

    __slots__ = ()

    token: Token

    def __init__(self, token: Token, *scopes: str) -> None:
        super().__init__(token)
        require_scope(token, *scopes)

    def own(self, account_uuid: str | None) -> str:
        """
        Return the principal's account, which a request may name.

        Raises:
            ForbiddenError: it names another, or the token is for none.
        """
        if self.token.account is None:
            raise ForbiddenError("the token is for no account")
        if account_uuid not in (None, self.token.account):
            raise ForbiddenError("the token is for another account")
        return self.token.account


def confirm(auth: AuthService, token: Token) -> None:
    """
    Check a token again right before a stream is bound to it: something was awaited since the first check.

    Raises:
        UnauthorizedError: it has ended meanwhile.
    """
    try:
        auth.confirm(token)
    except InvalidTokenError as error:
        raise unauthorized(str(error), is_invalid=True) from None


def require_scope(token: Token, *scopes: str) -> None:
    """
    Check that a token has one of some scopes.

    Raises:
        ForbiddenError: it has none of them. Source: RFC 6750, section 3.1.
    """
    if token.scopes.isdisjoint(scopes):
        raise lacking(scopes[0])


def lacking(scope: str, message: str = "") -> ForbiddenError:
    """Return the error for a token that is not for what is asked; without a message it lacks the scope. Source: RFC 6750, section 3.1."""
    header = f'Bearer realm="pricewire", error="insufficient_scope", scope="{scope}"'
    return ForbiddenError(message or f"the token is not for this: it lacks the scope {scope!r}", headers={"www-authenticate": header})


def require_topics(topics: Iterable[AnyTopic], token: Token | None, public: Sequence[Grant] = ()) -> None:
    """
    Check that a token may read topics; the only such check, used when a stream is opened, changed or renewed.

    Args:
        topics: the topics; of a pattern, who may not read a topic does not get it.
        token: the token; None for none.
        public: what everybody may read of free topics.

    Raises:
        UnauthorizedError: a topic is not for everybody, and there is no token.
        ForbiddenError: a topic is another account's, or the token is not for reading it, or not an operator's.
    """
    for topic in topics:
        name = str(topic)
        if isinstance(topic, AdminTopic):
            if token is None:
                raise unauthorized(f"topic {name!r} is for operators: send a token with the scope {ADMIN!r}")
            if not may(Action.READ, name, token.grants):
                raise lacking(ADMIN)
        elif isinstance(topic, AccountTopic):
            if token is None:
                raise unauthorized(f"topic {name!r} is an account's: log in, and send its token")
            if token.account != topic.account_uuid:
                raise ForbiddenError(f"topic {name!r} is another account's")
            if not may(Action.READ, name, token.grants):
                raise lacking(READ)
        elif isinstance(topic, FreeTopic) and not may(Action.READ, name, public):
            if token is None:
                own = ", ".join(map(repr, FORMS))
                raise unauthorized(f"topic {quoted(name)} is not public, and none of the server's own, {own}: send a token that is for it")
            if not may(Action.READ, name, token.grants):
                raise lacking(READ, f"the token is not for reading topic {quoted(name)}")


def unauthorized(message: str, *, is_invalid: bool = False) -> UnauthorizedError:
    """Return the error for a request that needs a token, or sent one that is not valid. Source: RFC 6750, section 3."""
    header = 'Bearer realm="pricewire"'
    if is_invalid:
        header += f', error="invalid_token", error_description="{message}"'
    return UnauthorizedError(message, headers={"www-authenticate": header})


def refuse_token_in_address(request: AnyRequest) -> None:
    """
    Refuse a request with a token in its address, where logs, histories and other sites' `Referer` would have it.

    Source: RFC 9700, section 4.3.2.
    """
    query: bytes = request.scope["query_string"]
    names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)} & TOKEN_NAMES
    if names:
        raise InvalidParametersError(
            f"{names.pop()}: a token in an address ends up in logs; send it as 'Authorization: Bearer …', "
            "or get a ticket for the stream by POST /v1/tickets. Treat this token as leaked"
        )


async def shown(request: AnyRequest, auth: AuthService | None, ticket: str | None = None) -> Token | None:
    """
    Return the token that a request carries; None where it carries none, or this server has no tokens.

    Raises:
        UnauthorizedError: it is not valid.
    """
    if auth is None:
        return None
    try:
        if ticket is not None:
            return auth.take_ticket(ticket)
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        # Another scheme is for a proxy in front.
        return await auth.check(text.strip()) if scheme.lower() == "bearer" else None
    except InvalidTokenError as error:
        raise unauthorized(str(error), is_invalid=True) from None


async def provide_caller(request: AnyRequest, services: NamedDependency[Services]) -> Caller:
    """Return the caller of a public request. A token is optional, but one that is sent has to be valid."""
    return Caller(await shown(request, services.auth))


async def provide_listener(request: AnyRequest, services: NamedDependency[Services], ticket: Ticket = None) -> Caller:
    """Return the caller of a request for a public stream, which may send a ticket."""
    return Caller(await shown(request, services.auth, ticket))


async def provide_principal(request: AnyRequest, services: NamedDependency[Services]) -> Principal:
    """Return the caller; requires the scope `read`."""
    return required(await shown(request, services.auth), READ)


async def provide_trader(request: AnyRequest, services: NamedDependency[Services]) -> Principal:
    """Return the caller; requires the scope `trade`."""
    return required(await shown(request, services.auth), TRADE)


async def provide_operator(request: AnyRequest, services: NamedDependency[Services]) -> Principal:
    """Return the caller; requires the scope `admin`."""
    return required(await shown(request, services.auth), ADMIN)


async def provide_messenger(request: AnyRequest, services: NamedDependency[Services]) -> Principal:
    """Return the caller; requires the scope `publish`."""
    return required(await shown(request, services.auth), PUBLISH)


async def provide_token_holder(request: AnyRequest, services: NamedDependency[Services]) -> Principal:
    """Return the caller, whatever its token is for."""
    return required(await shown(request, services.auth), READ, TRADE, PUBLISH, ADMIN)


async def provide_account_listener(request: AnyRequest, services: NamedDependency[Services], ticket: Ticket = None) -> Principal:
    """Return the caller of a request for an account's stream; requires the scope `read`, by a token or a ticket."""
    return required(await shown(request, services.auth, ticket), READ)


async def provide_protected_listener(request: AnyRequest, services: NamedDependency[Services], ticket: Ticket = None) -> Principal:
    """Return the caller of a request for a stream of any topics, by a token or a ticket; each topic requires its own scope."""
    return required(await shown(request, services.auth, ticket), READ, ADMIN)


def required(token: Token | None, *scopes: str) -> Principal:
    """
    Return the principal of a token, which has to have one of some scopes.

    Raises:
        UnauthorizedError: there is no token.
        ForbiddenError: it has none of the scopes.
    """
    if token is None:
        raise unauthorized("this needs a token: POST /login, then send it as 'Authorization: Bearer …'")
    return Principal(token, *scopes)


CALLERS: dict[str, Callable[..., Awaitable[Caller]]] = {
    "caller": provide_caller,
    "listener": provide_listener,
    "principal": provide_principal,
    "trader": provide_trader,
    "operator": provide_operator,
    "messenger": provide_messenger,
    "token_holder": provide_token_holder,
    "account_listener": provide_account_listener,
    "protected_listener": provide_protected_listener,
}
"""The dependencies, by the names of the parameters that they fill."""
