"""What Pricewire installs only where it is asked for, and how to say that it is missing."""

from __future__ import annotations

from pricewire.errors import MissingExtraError

EXTRAS = {
    "cli": ("cyclopts", "rich"),
    "arrow": ("pyarrow",),
    "history": ("duckdb",),
    "postgres": ("psycopg",),
    "nats": ("nats",),
    "http2": ("h2",),
    "redis": ("redis",),
    "mercure": ("ada_url", "re2"),
    "fix": ("quickfix",),
    "websocket": ("websockets",),
    "ccxt": ("ccxt", "aiohttp"),
    "otel": ("opentelemetry",),
    "server": (
        "alembic",
        "argon2",
        "cryptography",
        "httptools",
        "jwt",
        "litestar",
        "numpy",
        "prometheus_client",
        "scipy",
        "sqlalchemy",
        "uvicorn",
        "uvloop",
    ),
}
"""The modules that each extra of the package brings, by the names that they are imported by."""


def missing_extra(error: ImportError, what: str) -> ImportError:
    """
    Return the error to raise where an import has failed: one that names the extra to install, or the same one where it is not for that.

    Args:
        error: what the import raised.
        what: what cannot be done without the module: `pricewire.run`, for instance.
    """
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return MissingExtraError(what, module, extra)
    return error
