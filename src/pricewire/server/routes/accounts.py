"""The requests about accounts: log in, log out, accounts, tickets."""

from __future__ import annotations

from litestar import get, post
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import JSONBody

from pricewire.protocol.account_messages import AccountBody, AccountsBody, LoggedOut, LoginBody, LoginRequest, TicketBody
from pricewire.protocol.messages import Data
from pricewire.server.auth.dependencies import FORBIDDEN, SECURITY, UNAUTHORIZED, AnyRequest, Principal, unauthorized
from pricewire.server.auth.service import AuthService
from pricewire.server.client_address import limit_key
from pricewire.server.formats import timestamp
from pricewire.server.http_errors import INVALID, REFUSED, UNAVAILABLE, UNKNOWN, ForbiddenError, UnknownError
from pricewire.server.limits import Admission

NO_STORE = CacheControlHeader(no_store=True)
"""What belongs to one account stays out of every cache."""

PROTECTED = {**INVALID, **UNAUTHORIZED, **FORBIDDEN}
"""How requests that need a token may be refused."""


@post("/login", status_code=200, cache_control=NO_STORE, responses={**PROTECTED, **REFUSED, **UNAVAILABLE})
async def log_in(
    request: AnyRequest, auth: NamedDependency[AuthService], admission: NamedDependency[Admission], data: JSONBody[LoginRequest]
) -> LoginBody:
    """
    Log in, and get a token that is valid for an hour, or as long as the request says.

    A wrong password and an unknown account are the same from outside, also in the time that they take. The body is not wrapped in `data`.
    """
    if not auth.tokens.can_issue:
        raise ForbiddenError("tokens of this server come from another issuer: log in there")
    client = admission.client(request.scope)
    account = await auth.log_in(data.account_id, data.password, None if client is None else limit_key(client))
    if account is None:
        raise unauthorized("there is no account with this name and password")
    if account.status != "active":
        raise ForbiddenError("the account is suspended")
    # The generation of the row that had the password: where it has been changed meanwhile, this token is not valid any more.
    return LoginBody(auth.tokens.issue(account.uuid, lifetime=data.lifetime_seconds, generation=account.generation))


@post("/v1/logout", status_code=200, responses={**PROTECTED, **UNAVAILABLE}, security=SECURITY)
async def log_out(auth: NamedDependency[AuthService], token_holder: NamedDependency[Principal]) -> Data[LoggedOut]:
    """Revoke the token, in every process; its streams end with `TOKEN_REVOKED`."""
    await auth.log_out(token_holder.token)
    return Data(LoggedOut())


@get("/v1/accounts", cache_control=NO_STORE, responses={**PROTECTED, **UNKNOWN, **UNAVAILABLE}, security=SECURITY)
async def list_accounts(auth: NamedDependency[AuthService], principal: NamedDependency[Principal]) -> Data[AccountsBody]:
    """List the accounts that the token is for: one."""
    account = await auth.accounts.find_uuid(principal.own(None))
    if account is None:
        raise UnknownError("the token's account does not exist any more")
    body = AccountBody(account.id, account.uuid, account.type, account.group, account.status, account.currency, float(account.balance))
    return Data(AccountsBody([body]))


@post("/v1/tickets", status_code=200, cache_control=NO_STORE, responses={**PROTECTED, **REFUSED}, security=SECURITY)
async def give_ticket(auth: NamedDependency[AuthService], principal: NamedDependency[Principal]) -> Data[TicketBody]:
    """Give a ticket for a client that can send no header, as the browser's own `EventSource`: for one stream, once, within 30 seconds."""
    ticket, expires_at = auth.give_ticket(principal.token)
    return Data(TicketBody(ticket, timestamp(expires_at)))
