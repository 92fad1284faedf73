"""Have each account say which of its tokens are valid: those of its generation, and those of another issuer that are young enough."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; existing tokens are of generation 0, and stay valid."""
    op.add_column("accounts", sa.Column("generation", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("accounts", sa.Column("not_before_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("account_generations", "accounts", ["generation"])
