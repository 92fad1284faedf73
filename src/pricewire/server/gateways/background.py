"""What a process is there for, opened behind its HTTP server: it may have to wait for a bus, or for its turn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from pricewire.bus.tasks import AGAIN_S
from pricewire.errors import PricewireError

logger = logging.getLogger(__name__)


class Background:
    """
    Opens something, and closes it when the process ends. Where it cannot be opened, or has to be given up, the process ends.

    Attributes:
        is_open: whether it is.

    Args:
        open: what is opened.
    """

    def __init__(self, open: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self.is_open = False
        self._open = open
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to open it."""
        self._task = asyncio.create_task(self._run(), name="background")

    async def stop(self) -> None:
        """Close it, or stop opening it."""
        self._over.set()
        if self._task is not None:
            while not self._task.done():
                if not self.is_open:
                    self._task.cancel()
                await asyncio.wait([self._task], timeout=AGAIN_S)

    async def _run(self) -> None:
        try:
            async with self._open():
                self.is_open = True
                await self._over.wait()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.critical("the server cannot go on: %s", error, exc_info=not isinstance(error, PricewireError))
            end_process()
        finally:
            self.is_open = False


def end_process() -> None:
    """Have this process end in an orderly way, as by SIGTERM; whoever supervises it starts it again."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(os.getpid(), signal.SIGTERM)
