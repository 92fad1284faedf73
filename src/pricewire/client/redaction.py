"""
Keeps the secrets of our requests out of the logs of the HTTP library below.

It logs the whole address of each request at INFO, with user, password and ticket, and headers at DEBUG. Only what it logs while it works
for this client is changed: an application that uses the library itself, in the same process too, logs as before.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar

import httpx2

from pricewire.client.urls import public_url

_is_ours: ContextVar[bool] = ContextVar("pricewire_request", default=False)


class _Redaction(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Take the secrets out of a record; return False for one that may hold headers."""
        if not _is_ours.get():
            return True
        if record.name.startswith("hpack") or (record.name.startswith("httpcore2") and "_headers." in record.getMessage()):
            # The headers of request and response: tokens, cookies, and addresses to be redirected to.
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(public_url(str(value)) if isinstance(value, httpx2.URL) else value for value in record.args)
        return True


LOGGERS = (
    "httpx2",
    *(f"httpcore2.{name}" for name in ("connection", "http11", "http2", "proxy", "socks")),
    *(f"hpack.{name}" for name in ("hpack", "table")),
)
"""Those of the library; a filter holds for a logger's own records only, not for those of loggers below it."""

_redaction = _Redaction()
for _name in LOGGERS:
    logging.getLogger(_name).addFilter(_redaction)


@contextlib.contextmanager
def redacted() -> Iterator[None]:
    """Keep secrets out of what the library logs inside this block."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)
