"""A TCP proxy that stands for the network between a page and its server: it can stall, be cut, and be slow."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

CHUNK = 16 * 1024
"""How much is passed on at once, in bytes."""

SMALL = 2048
"""
The receive buffers, in bytes: so that the server notices a slow reader.

They are so small from the start. Where one is made smaller later, the kernel drops what its peer may still send, and sends it again after
pauses that double each time: for two seconds nothing comes.
"""


class Proxy:
    """Passes connections on to a port of this machine until its block is left; listens at `url`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Whatever it accepts has the same.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets = set[socket.socket]()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self._closing = threading.Event()
        self._is_cut = False
        self._pause = 0.0
        self._most = CHUNK

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._closing.set()
        # To close a listener does not wake the thread that accepts from it; to shut it down does.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flowing.set()

    def stall(self) -> None:
        """Pass nothing on from now on; connections stay as they are, as on a train in a tunnel."""
        self._flowing.clear()

    def cut(self) -> None:
        """End all connections, and every new one at once."""
        self._is_cut = True
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def throttle(self, rate: int) -> None:
        """Pass at most so many bytes per second on, in each connection and direction."""
        self._most = max(1, rate // 20)
        self._pause = 1 / 20

    def heal(self) -> None:
        """Pass everything on again, as fast as it comes."""
        self._is_cut = False
        self._pause = 0.0
        self._most = CHUNK
        self._flowing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.socket()
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
                try:
                    far.connect(("127.0.0.1", self._port))
                except ConnectionRefusedError:
                    # The server is down; it may come back.
                    near.close()
                    far.close()
                    continue
                with self._lock:
                    self._sockets |= {near, far}
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes from one side; when it ends, end both."""
        with contextlib.suppress(OSError):
            while data := source.recv(self._most):
                self._flowing.wait()
                target.sendall(data)
                if self._pause:
                    self._closing.wait(self._pause)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            # Closed by whichever of the two directions ends last, so that no number is used again under the other.
            both_over = source not in self._sockets
            self._sockets -= {source, target}
        if both_over:
            source.close()
            target.close()
