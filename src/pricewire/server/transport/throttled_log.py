"""Warnings that anybody can cause, as often as they like: each is logged once a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

INTERVAL = 60.0
"""How often a warning is logged, in seconds."""

MOST = 100
"""How many different warnings are told apart, as their texts may hold what a request says."""


class ThrottledLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs as another logger does, but each warning once a minute, and how often it was left out since the last time."""

    def __init__(self, logger: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logger, {})
        self._clock = clock
        # When each warning was logged, and how often it came since.
        self._warnings: dict[str, tuple[float, int]] = {}

    @property
    def level(self) -> int:
        """The other logger's level, which uvicorn asks for."""
        return self.logger.level

    def warning(self, msg: object, *args: Any, **options: Any) -> None:
        """Log a warning, or count it."""
        text, now = str(msg), self._clock()
        logged_at, left_out = self._warnings.get(text, (now - INTERVAL, 0))
        if now - logged_at < INTERVAL:
            self._warnings[text] = logged_at, left_out + 1
            return
        if len(self._warnings) >= MOST:
            self._warnings.clear()
        self._warnings[text] = now, 0
        super().warning(f"{text} ({left_out} more since the last warning)" if left_out else text, *args, **options)
