"""The messages about accounts: log in, log out, accounts, tickets."""

from __future__ import annotations

from typing import Annotated

import msgspec

ACCOUNT_ID = r"^[A-Za-z0-9_.@+\-]{1,64}$(?!\n)"
"""What an account can be called."""

AccountId = Annotated[str, msgspec.Meta(pattern=ACCOUNT_ID, examples=["demo"], description="the name to log in with")]


class LoginRequest(msgspec.Struct, frozen=True):
    """A request to log in; the token is to be valid for `lifetime_seconds`, an hour by default."""

    account_id: AccountId
    password: Annotated[str, msgspec.Meta(max_length=1024)]
    lifetime_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400, description="how long the token is to be good: a day at most")] = 3600

    def __repr__(self) -> str:
        """Show the request without the password."""
        return f"LoginRequest(account_id={self.account_id!r})"


class LoginBody(msgspec.Struct, frozen=True):
    """The answer to a login: a JSON Web Token, to be sent as `Authorization: Bearer …`."""

    token: str

    def __repr__(self) -> str:
        """Show nothing of the token."""
        return "LoginBody()"


class LoggedOut(msgspec.Struct, frozen=True):
    """The answer to a logout: nothing."""


class AccountBody(msgspec.Struct, frozen=True):
    """
    An account.

    Attributes:
        id: the name to log in with.
        uuid: its name in topics and requests.
        type: `demo` or `real`.
        group: for the operator's use.
        status: `active`; or `suspended`: no login, and no token is valid.
        currency: of all its money.
        balance: what it has, a JSON number.
    """

    id: str
    uuid: str
    type: str
    group: str
    status: str
    currency: str
    balance: float


class AccountsBody(msgspec.Struct, frozen=True):
    """The accounts that a token is for."""

    accounts: list[AccountBody]


class TicketBody(msgspec.Struct, frozen=True):
    """A ticket, to be sent as `?ticket=…` in the address of one stream, and when it expires, in the form of ISO 8601."""

    ticket: str
    expires_at: str

    def __repr__(self) -> str:
        """Show nothing of the ticket."""
        return f"TicketBody(expires_at={self.expires_at!r})"
