"""Terms: of several processes with one database, one at a time moves money, and what another one would write is refused."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from pricewire.errors import FencedError
from pricewire.store.prepared import Prepared
from pricewire.store.tables import terms

IS_TRADING = terms.c.name == "trading"

NEWEST = select(terms.c.term).where(IS_TRADING).with_for_update(read=True)
"""The newest term, which stays the newest until the transaction's end."""

NEWEST_TERM = Prepared(NEWEST)

OWN_TERM = bindparam("own_term", type_=BigInteger())
"""The term of who writes, in a statement that checks it itself; None is not checked."""


def begin_term(connection: Connection) -> int:
    """Return a new term; what another process is writing is finished or fails before."""
    begun = update(terms).where(IS_TRADING).values(term=terms.c.term + 1).returning(terms.c.term)
    number: int = connection.execute(begun).scalar_one()
    return number


def check_term(connection: Connection, own: int | None) -> None:
    """
    Check that a term is still the newest until the transaction's end; None is not checked.

    Raises:
        FencedError: another process has begun one since.
    """
    if own is None:
        return
    newest = NEWEST_TERM(connection, {})
    if newest is None or newest[0] != own:
        raise FencedError("another process trades on this database now")
