"""Authentication: logs accounts in and out, and checks tokens and tickets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable

from pricewire.errors import InvalidTokenError
from pricewire.hub.hub import Hub
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.auth.keys import KeySource
from pricewire.server.auth.login_throttle import LoginThrottle
from pricewire.server.auth.passwords import DEMO, Passwords
from pricewire.server.auth.revocation import Revoked
from pricewire.server.auth.standings import Standings
from pricewire.server.auth.tickets import Tickets
from pricewire.server.auth.token_watch import TokenWatch
from pricewire.server.auth.tokens import Token, TokenRules, Tokens
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from pricewire.store.revocations import Revocations


class AuthService:
    """
    Checks tokens, tickets and passwords.

    Args:
        database: where accounts and revoked tokens are.
        keys: what tokens are signed with; closed by `aclose`.
        rules: what they must claim.
        hub: whose streams end with their tokens.
        demo_account: whether the demo account may log in with the password that everybody knows.
    """

    def __init__(self, database: Database, keys: KeySource, rules: TokenRules, hub: Hub, *, demo_account: bool = False) -> None:
        self.tokens = Tokens(keys, rules)
        self.accounts = Accounts(database)
        self.token_watch = TokenWatch(hub, on_renewed=getattr(hub, "renewed", None))
        self._keys = keys
        self._revoked = Revoked(Revocations(database), self.token_watch.revoke)
        self._standings = Standings(self.accounts, self._end_streams)
        self._tickets = Tickets()
        self._passwords = Passwords()
        self._login_throttle = LoginThrottle()
        self._demo_account = demo_account

    async def log_in(self, account_id: str, password: str, address: Hashable) -> Account | None:
        """
        Return the account, if the password is right; otherwise None.

        Raises:
            TooManyAttemptsError: too many have failed.
        """
        self._login_throttle.begin(account_id, address)
        account = await self.accounts.find(account_id)
        is_right = await self._passwords.check(password, None if account is None else account.password_hash)
        # The demo account may exist from a time when only this machine reached the server.
        is_closed = account_id == password == DEMO and not self._demo_account
        if account is None or not is_right or is_closed:
            return None
        self._login_throttle.succeeded(account_id, address)
        return account

    async def log_out(self, token: Token) -> None:
        """Revoke a token, here and in every process, and end its streams."""
        await self._revoked.add(token)

    async def check(self, text: str) -> Token:
        """
        Return what a token says.

        Raises:
            InvalidTokenError: it is not valid, or was revoked.
        """
        return self._good(await self.tokens.check(text))

    def known(self, text: str) -> Token | None:
        """Return what a token says that was checked before, and is still valid; None for one that has to be checked."""
        token = self.tokens.known(text)
        return token if token is not None and self._fault(token) is None else None

    def give_ticket(self, token: Token) -> tuple[str, float]:
        """Return a ticket for one stream, and when it expires, in seconds since 1970."""
        return self._tickets.give(token)

    def take_ticket(self, ticket: str) -> Token:
        """
        Return the token that a ticket stands for.

        Raises:
            InvalidTokenError: it is not valid, or its token was revoked.
        """
        return self._good(self._tickets.take(ticket))

    def confirm(self, token: Token) -> None:
        """
        Check a token again, when something was awaited since the first check.

        From here to the stream's entry in `token_watch`, which learns of what ends a token, nothing may be awaited.

        Raises:
            InvalidTokenError: it has been revoked meanwhile, or has expired.
        """
        if self._good(token).expires_at <= time.time():
            raise InvalidTokenError("the token has expired")

    async def load(self) -> None:
        """Learn which tokens have ended already; no token may be checked before."""
        await self._revoked.load()
        await self._standings.load()

    async def run(self) -> None:
        """End streams with their tokens, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.token_watch.run(), name="token expiry")
            tasks.create_task(self._revoked.run(), name="token revocation")
            tasks.create_task(self._standings.run(), name="ended tokens")

    async def aclose(self) -> None:
        """End the threads and connections."""
        self._passwords.close()
        await self._keys.aclose()

    def _good(self, token: Token) -> Token:
        fault = self._fault(token)
        if fault is not None:
            raise InvalidTokenError(fault)
        return token

    def _fault(self, token: Token) -> str | None:
        return StreamEnd.TOKEN_REVOKED.value if token.id in self._revoked else self._standings.fault(token)

    def _end_streams(self) -> None:
        self.token_watch.revoke_where(lambda token: self._standings.fault(token) is not None)
