"""`pricewire token`: tokens for accounts."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from pricewire.cli.account import run
from pricewire.cli.signing import keys_of, rules_of
from pricewire.cli.store import STORE, Store
from pricewire.errors import AccountError, PricewireError, quoted
from pricewire.protocol.free_topics import check_pattern, is_own
from pricewire.server.auth.tokens import MAX_HOURS, READ, TRADE, Tokens
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database

Scope = Literal["read", "trade", "publish", "admin"]


def token(
    account_id: str,
    /,
    *,
    hours: float = 1.0,
    scope: Annotated[list[Scope] | None, Parameter(negative=())] = None,
    topic: Annotated[list[str] | None, Parameter(negative=())] = None,
    store: Store = STORE,
) -> None:
    """
    Print a token for an account.

    Args:
        account_id: the account's name.
        hours: how long it is valid, in hours; at most 8760.
        scope: what it is for: `read` for streams and lists, `trade` for buying and selling, `publish` for publishing to the topics of
            `topic`, `admin` for the page of operators, which shows the whole server and can stop it. May be repeated; `read` and `trade`
            where none is given.
        topic: topics that others publish, which it may read with `read` and publish to with `publish`: a name, or the beginning of names
            with a `*` at its end, `"news:*"` for instance. May be repeated.
        store: where accounts are, and what tokens are signed with.
    """
    if not 0 < hours <= MAX_HOURS:
        raise PricewireError(f"--hours {hours:g}: a token is valid for more than 0 and at most {MAX_HOURS:g} hours")

    for pattern in topic or []:
        check_pattern(pattern)
        if is_own(pattern):
            raise PricewireError(f"--topic {quoted(pattern)}: topics of the server's own need none, and nobody else publishes to them")
    if "publish" in (scope or []) and not topic:
        raise PricewireError("--scope publish needs --topic: what is to be published to, 'news:*' for instance")

    async def work(database: Database) -> None:
        account = await Accounts(database).find(account_id)
        if account is None:
            raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")
        if account.status != "active":
            raise AccountError(f"the account {account_id!r} is suspended, so no token of it is valid")
        scopes = frozenset(scope or (READ, TRADE))
        issued = Tokens(keys_of(store), rules_of(store)).issue(
            account.uuid, scopes, topics=topic or [], lifetime=hours * 3600, generation=account.generation
        )
        sys.stdout.write(f"{issued}\n")

    run(store, work)
