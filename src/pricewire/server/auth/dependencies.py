"""Lets requests in: reads the token or ticket that they show, and says what is missing where they may not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from pricewire.errors import InvalidTokenError
from pricewire.protocol.messages import ErrorBody
from pricewire.protocol.topics import AccountTopic, Topic
from pricewire.server.auth.service import Authority
from pricewire.server.auth.tokens import READ, TRADE, Token
from pricewire.server.http_errors import ForbiddenError, InvalidParametersError, UnauthorizedError

UNAUTHORIZED = {
    401: ResponseSpec(
        ErrorBody, description="The token is missing or not good; `WWW-Authenticate` says how to show one.", generate_examples=False
    )
}
FORBIDDEN = {403: ResponseSpec(ErrorBody, description="The token is for another account, or not for this.", generate_examples=False)}

SECURITY = [{"token": list[str]()}]
"""How the schema says that a request needs a token."""

TOKEN_NAMES = frozenset({"access_token", "auth_token", "authorization", "bearer", "id_token", "jwt", "token"})
"""By what names tokens are found in addresses."""

Ticket = Annotated[str | None, QueryParameter(description="Instead of a token: from `POST /v1/tickets`, for one stream, good once.")]

AnyRequest = Request[Any, Any, Any]


class Visitor:
    """
    Who a request comes from.

    Attributes:
        token: what it showed; None where it showed none.
    """

    __slots__ = ("token",)

    def __init__(self, token: Token | None) -> None:
        self.token = token

    @property
    def account(self) -> str | None:
        """The visitor's account; None for anybody."""
        return None if self.token is None else self.token.account


class Holder(Visitor):
    """A visitor with a token."""

    __slots__ = ()

    token: Token

    def __init__(self, token: Token, scope: str = READ) -> None:
        super().__init__(token)
        require_scope(token, scope)

    def own(self, account_uuid: str | None) -> str:
        """
        Return the holder's account, which a request may name.

        Raises:
            ForbiddenError: it names another.
        """
        if account_uuid not in (None, self.token.account):
            raise ForbiddenError("the token is for another account")
        return self.token.account


def confirm(authority: Authority, token: Token) -> None:
    """
    Check once more a token that was checked before something was awaited, right before a stream is bound to it.

    Raises:
        UnauthorizedError: it has ended meanwhile.
    """
    try:
        authority.confirm(token)
    except InvalidTokenError as error:
        raise unauthorized(str(error), is_invalid=True) from None


def require_scope(token: Token, scope: str) -> None:
    """
    Refuse a token that is not for something.

    Raises:
        ForbiddenError: it lacks the scope. Source: RFC 6750, section 3.1.
    """
    if scope not in token.scopes:
        header = f'Bearer realm="pricewire", error="insufficient_scope", scope="{scope}"'
        raise ForbiddenError(f"the token is not for this: it lacks the scope {scope!r}", headers={"www-authenticate": header})


def require_topics(topics: Iterable[Topic], token: Token | None) -> None:
    """
    Refuse topics that a token does not let read: the one place where that is decided, whether a stream is opened, changed or prolonged.

    Raises:
        UnauthorizedError: a topic is an account's, and there is no token.
        ForbiddenError: a topic is another account's, or the token is not for reading.
    """
    for topic in topics:
        if isinstance(topic, AccountTopic):
            if token is None:
                raise unauthorized(f"topic {str(topic)!r} is an account's: log in, and show its token")
            if token.account != topic.account_uuid:
                raise ForbiddenError(f"topic {str(topic)!r} is another account's")
            require_scope(token, READ)


def unauthorized(message: str, *, is_invalid: bool = False) -> UnauthorizedError:
    """
    Return the refusal of a request that has to show a token.

    Args:
        message: what is wrong.
        is_invalid: whether it showed one that is not good. Source: RFC 6750, section 3.
    """
    header = 'Bearer realm="pricewire"'
    if is_invalid:
        header += f', error="invalid_token", error_description="{message}"'
    return UnauthorizedError(message, headers={"www-authenticate": header})


def refuse_token_in_address(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """
    Refuse a request with a token in its address, where logs, histories and other sites' `Referer` would have it.

    Source: RFC 9700, section 4.3.2.
    """
    query: bytes = connection.scope["query_string"]
    names = {name.lower() for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)} & TOKEN_NAMES
    if names:
        raise InvalidParametersError(
            f"{names.pop()}: a token in an address ends up in logs; send it as 'Authorization: Bearer …', "
            "or get a ticket for the stream by POST /v1/tickets. Take this token for known to others"
        )


async def shown(request: AnyRequest, authority: Authority | None, ticket: str | None = None) -> Token | None:
    """
    Return the token that a request shows; None where it shows none, or nobody here could check it.

    Raises:
        UnauthorizedError: it is not good.
    """
    if authority is None:
        return None
    try:
        if ticket is not None:
            return authority.take_ticket(ticket)
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        # Another scheme is for a proxy in front.
        return await authority.check(text.strip()) if scheme.lower() == "bearer" else None
    except InvalidTokenError as error:
        raise unauthorized(str(error), is_invalid=True) from None


async def provide_visitor(request: AnyRequest, authority: NamedDependency[Authority | None]) -> Visitor:
    """Return who a public request comes from; a token that it need not have has to be good all the same."""
    return Visitor(await shown(request, authority))


async def provide_listener(request: AnyRequest, authority: NamedDependency[Authority | None], ticket: Ticket = None) -> Visitor:
    """Return who a request for a public stream comes from."""
    return Visitor(await shown(request, authority, ticket))


async def provide_holder(request: AnyRequest, authority: NamedDependency[Authority | None]) -> Holder:
    """Return whose token a request shows that needs one."""
    return required(await shown(request, authority))


async def provide_trader(request: AnyRequest, authority: NamedDependency[Authority | None]) -> Holder:
    """Return whose token a request shows that moves money."""
    return required(await shown(request, authority), TRADE)


async def provide_account_listener(request: AnyRequest, authority: NamedDependency[Authority | None], ticket: Ticket = None) -> Holder:
    """Return whose token or ticket a request for a protected stream shows."""
    return required(await shown(request, authority, ticket))


def required(token: Token | None, scope: str = READ) -> Holder:
    """
    Return the holder of a token that has to be there.

    Raises:
        UnauthorizedError: it is not.
        ForbiddenError: it is not for the scope.
    """
    if token is None:
        raise unauthorized("this needs a token: POST /login, then send it as 'Authorization: Bearer …'")
    return Holder(token, scope)


VISITORS: dict[str, Callable[..., Awaitable[Visitor]]] = {
    "visitor": provide_visitor,
    "listener": provide_listener,
    "holder": provide_holder,
    "trader": provide_trader,
    "account_listener": provide_account_listener,
}
"""Who a request can come from, by the names of the parameters that want to know."""
