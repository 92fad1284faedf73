"""
`pricewire serve --workers N`: N gateways that share the port, around one process with the market and trading, over a NATS server of theirs.

All are started, watched, started again when they end, and stopped in order: the gateways first, whose streams end in an orderly way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pricewire.errors import PricewireError

logger = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often it is looked whether a process has ended, in seconds."""

AGAIN_S = (0.2, 10.0)
"""How long to wait before a process that has ended is started again, in seconds: at first, and at most."""

HEALTHY_S = 30.0
"""A process that has run for so long is started again at once, in seconds."""

GRACE_S = 10.0
"""How long a process may take to end besides the time that its streams have, in seconds."""


def nats_server_program() -> str:
    """
    Return where the program `nats-server` is: in this environment, or where the system has it.

    Raises:
        PricewireError: nowhere.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise PricewireError("the program nats-server is missing: pip install 'pricewire[nats]'")
    return found


@dataclass(slots=True)
class Worker:
    """
    A process that is kept running.

    Attributes:
        name: what the log calls it.
        command: how it is started.
        environment: with what.
        process: the process; None where it has ended.
        started_at: when it was started, in seconds of `time.monotonic`.
        wait: how long to wait before it is started again, in seconds.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = float("-inf")
    wait: float = AGAIN_S[0]

    def start(self) -> None:
        """Start it, in a group of its own: Ctrl-C is for the supervisor, which ends all in order."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(self.command, env=self.environment, start_new_session=True)  # noqa: S603 - our own programs

    def look(self) -> None:
        """Start it again if it has ended, not too often."""
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            ran = now - self.started_at
            self.wait = AGAIN_S[0] if ran > HEALTHY_S else min(self.wait * 2, AGAIN_S[1])
            logger.error("%s has ended (%d) after %.0f s; starting it again", self.name, code, ran)
            self.process = None
            self.started_at = now
        elif now - self.started_at >= self.wait:
            self.start()

    def tell(self) -> None:
        """Have it end in an orderly way."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, seconds: float) -> None:
        """Wait for its end, or kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            logger.error("%s does not end; it is killed", self.name)
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    """Return a port of this machine that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def nats_worker(directory: Path) -> tuple[Worker, str]:
    """
    Return the worker that is a NATS server of our own, and its address with a password that is made anew.

    Args:
        directory: for its data and its configuration, which only their owner can read.

    Raises:
        PricewireError: there is none to run, or the directory cannot be used.
    """
    port, password = free_port(), secrets.token_hex(16)
    configuration = directory / "nats.conf"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(
                f'listen: "127.0.0.1:{port}"\n'
                f'authorization {{ user: pricewire, password: "{password}" }}\n'
                f'jetstream {{ store_dir: "{directory}" }}\n'
            )
    except OSError as error:
        raise PricewireError(f"{configuration}: {error.strerror}") from None
    command = [nats_server_program(), "--config", str(configuration), "--log", str(directory / "nats.log")]
    return Worker("the NATS server", command, dict(os.environ)), f"nats://pricewire:{password}@127.0.0.1:{port}"


def wait_for(port: int, worker: Worker) -> None:
    """
    Wait until something listens at a port of this machine.

    Raises:
        PricewireError: the process has ended.
    """
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if worker.process is None or worker.process.poll() is not None:
            raise PricewireError(f"{worker.name} does not run; its log is beside its configuration: {worker.command[2]}")
        time.sleep(LOOK_S)


def without(arguments: Sequence[str], options: frozenset[str], flags: frozenset[str]) -> list[str]:
    """
    Return arguments without some options.

    Args:
        arguments: of the command line.
        options: the names of those with a value, as `--port`.
        flags: the names of those without.
    """
    kept: list[str] = []
    rest = iter(arguments)
    for each in rest:
        name, is_joined, _ = each.partition("=")
        if name in options:
            if not is_joined:
                next(rest, None)
        elif name not in flags:
            kept.append(each)
    return kept


def supervise(
    count: int, directory: Path, server: Sequence[str], gateway: Sequence[str], drain_seconds: float, on_started: Callable[[], None]
) -> None:
    """
    Run the processes until SIGINT or SIGTERM.

    Args:
        count: how many gateways.
        directory: for the data of the NATS server.
        server: the arguments of `pricewire` for the process with the market and trading.
        gateway: those for each gateway.
        drain_seconds: how long streams may take to end.
        on_started: called when all were started.

    Raises:
        PricewireError: the NATS server does not run.
    """
    bus, address = nats_worker(directory)
    environment = {**os.environ, "PRICEWIRE_BUS": address}
    program = [sys.executable, "-m", "pricewire"]
    main = Worker("the server", [*program, *server], environment)
    gateways = [Worker(f"gateway {number}", [*program, *gateway], environment) for number in range(1, count + 1)]
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: ended.append(received))
    try:
        bus.start()
        wait_for(int(address.rpartition(":")[2]), bus)
        for worker in (main, *gateways):
            worker.start()
        on_started()
        while not ended:
            for worker in (bus, main, *gateways):
                worker.look()
            time.sleep(LOOK_S)
    finally:
        for each in gateways:
            each.tell()
        for each in gateways:
            each.end(drain_seconds + GRACE_S)
        for each in (main, bus):
            each.tell()
            each.end(drain_seconds + GRACE_S)
