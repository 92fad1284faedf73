"""Where the command line finds its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

GROUP = Group("Accounts and trading", sort_key=1)


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class Store:
    """
    Where accounts and contracts are, and what tokens are signed with.

    Attributes:
        data_dir: the directory of the database, of the journal of ticks, of what was published last, of the key that tokens are signed
            with, and of the secret of the simulated prices.
        database: another database than the one in the data directory: `postgresql://user:password@host/database`, or a file.
        jwt_secret_file: a file with a secret of 32 bytes or more: tokens are signed with it (HS256), and no longer with a key of the
            server's own, so that another program that has the secret can issue them.
        jwks_url: where another issuer publishes its keys: then only its tokens are valid.
        jwt_issuer: what a token's `iss` has to be.
        jwt_audience: what a token's `aud` has to contain.
    """

    data_dir: Path = Path("pricewire-data")
    database: Annotated[str | None, Parameter(show_default=False)] = None
    jwt_secret_file: Path | None = None
    jwks_url: str | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None

    @property
    def address(self) -> str | Path:
        """Where the database is."""
        return self.data_dir / "pricewire.db" if self.database is None else self.database


STORE = Store()
"""In the working directory."""
