"""Notices that other processes of the same server have the same hub, each for itself: then most readers miss most messages."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import sys

logger = logging.getLogger(__name__)

GRACE = 5.0
"""How long to wait for the process that this one replaces, in seconds."""

WARNING = (
    "another worker process of this server has this hub too (made at %s), and publishes to its own: a message reaches only the streams of "
    "the process that publishes it, so readers MISS MESSAGES. Run one worker process: one streams to tens of thousands of readers. Or feed "
    "every process with all messages, from Redis or NATS for instance, and say so by Hub(replicated=True)"
)


class Siblings:
    """
    Looks for the same hub in another process, once, when it is used first.

    Args:
        site: where the hub is made, as `file:line`: what is made there in another process of the same parent is the same hub.
    """

    def __init__(self, site: str) -> None:
        self._site = site
        self._is_done = sys.platform != "linux"

    def look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Log an error where there is another, now or as soon as a process that is about to end has had its time."""
        if not self._is_done:
            self._is_done = True
            if is_worker() and not self._take_name():
                loop.call_later(GRACE, self._look_again)

    def _look_again(self) -> None:
        if not self._take_name():
            logger.error(WARNING, self._site)

    def _take_name(self) -> bool:
        """Take the name of the hub, which one process has; return whether this one has it. It is free when the process has ended."""
        if self._site not in _names:
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                name.bind(name_of(self._site))
            except OSError:
                name.close()
                return False
            _names[self._site] = name
        return True


_names: dict[str, socket.socket] = {}
"""The names that this process has, by the sites: many hubs may be made at one."""


def name_of(site: str) -> str:
    """
    Return the address of the socket that stands for the hub of a site, among the processes of this one's parent.

    Source: unix(7), "abstract sockets".
    """
    key = hashlib.blake2b(site.encode(), digest_size=12).hexdigest()
    return f"\0pricewire-hub-{os.getuid()}-{os.getppid()}-{key}"


def is_worker() -> bool:
    """Return whether a server's supervisor has made this process: gunicorn, or what uses `multiprocessing`, as the others do."""
    processes = sys.modules.get("multiprocessing.process")
    return "gunicorn.arbiter" in sys.modules or (processes is not None and processes.parent_process() is not None)
