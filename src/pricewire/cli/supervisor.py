"""
Runs programs that belong together: started in order, each once those before it are ready; started again when they end; stopped in the
opposite order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pricewire.errors import WorkerError

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
"""How long to wait before a program that has ended is started again, in seconds; twice as long each time that it ends soon after."""

MOST_WAIT_S = 30.0
"""The longest such wait, in seconds."""

HEALTHY_S = 60.0
"""A program that has run for so many seconds has not ended soon."""

POLL_S = 0.05
"""How often a program that starts is asked whether it is ready, in seconds."""

LOOK_S = 5.0
"""How often a program that runs is asked whether it is alive, and how long its answer may take, in seconds."""

MOST_SILENCES = 6
"""
After so many answers in a row that did not come a program is killed. They are counted rather than timed: after the machine, or this
process, was stopped for a while, all programs get their chance to answer.
"""


@dataclass(frozen=True, slots=True)
class Program:
    """
    What is run.

    Attributes:
        name: for the log.
        command: the program and its arguments.
        is_ready: returns whether it can be used.
        is_alive: returns whether it answers.
        grace_s: how long it may take to end when it is told to, in seconds; then it is killed.
        reads: what it reads from its standard input.
        on_line: called with each line that it writes to standard error; None to have it written to this process's.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], Awaitable[bool]]
    is_alive: Callable[[], Awaitable[bool]]
    grace_s: float
    reads: bytes = b""
    on_line: Callable[[str], None] | None = None


class Worker:
    """
    Runs one program, again and again.

    Args:
        program: the program.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._was_ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """
        Run the program from now on, and return when it is ready for the first time; return the task that keeps it running.

        Raises:
            WorkerError: it ended before it was ready.
        """
        self._task = task = asyncio.create_task(self._keep(), name=self._program.name)
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if task.done():
            await task
        return task

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal, where it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self) -> None:
        """Have the program end in its own way, and kill it when it does not."""
        self._stopping.set()
        if self._task is None:
            return
        if self._process is None or self._process.returncode is not None:
            # It waits to be started again.
            self._task.cancel()
        self.signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self._task], timeout=self._program.grace_s)
        if not done:
            logger.error("%s has not ended within %g s, and is killed", self._program.name, self._program.grace_s)
            self.signal(signal.SIGKILL)
        with contextlib.suppress(asyncio.CancelledError, WorkerError):
            await self._task

    async def _keep(self) -> None:
        wait = FIRST_WAIT_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                how = ending(await self._run())
            except OSError as error:
                # The system has no process or file left, for instance.
                how = str(error.strerror)
            if self._stopping.is_set():
                return
            if not self._was_ready.is_set():
                raise WorkerError(f"{self._program.name} could not start: {how}")
            wait = FIRST_WAIT_S if time.monotonic() - began >= HEALTHY_S else min(MOST_WAIT_S, wait)
            logger.error("%s has ended: %s; it is started again in %g s", self._program.name, how, wait)
            await asyncio.sleep(wait)
            wait *= 2

    async def _run(self) -> int:
        """Run the program once; return its exit status, below zero for the signal that has ended it."""
        program, process = self._program, await self._begin()
        tasks = [asyncio.create_task(self._watch(process))]
        if program.on_line is not None and process.stderr is not None:
            tasks.append(asyncio.create_task(relay(process.stderr, program.on_line)))
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _begin(self) -> asyncio.subprocess.Process:
        program = self._program
        # In a session of its own, or Ctrl-C would end all programs at once, in no order.
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pricewire.cli.tied",
            str(os.getpid()),
            *program.command,
            stdin=asyncio.subprocess.PIPE,
            stderr=None if program.on_line is None else asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if self._stopping.is_set():
            self.signal(signal.SIGTERM)
        if process.stdin is not None:
            process.stdin.write(program.reads)
            process.stdin.close()
        return process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Wait until the program is ready; from then on, kill it when it does not answer any more."""
        program = self._program
        while not await program.is_ready():  # noqa: ASYNC110 - what is asked is another process
            await asyncio.sleep(POLL_S)
        self._was_ready.set()
        silences = 0
        while silences < MOST_SILENCES:
            await asyncio.sleep(LOOK_S)
            silences = 0 if await program.is_alive() else silences + 1
        logger.error("%s does not answer, and is killed", program.name)
        process.kill()


async def relay(lines: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    """Pass on what a program writes, line by line."""
    while line := await lines.readline():
        on_line(line.decode(errors="replace").rstrip())


def ending(status: int) -> str:
    """Return how a program has ended, from its exit status."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


async def supervise(stages: Sequence[Sequence[Program]], on_ready: Callable[[], None], *, reloads: bool) -> signal.Signals:
    """
    Run programs until this process is told to end by SIGINT or SIGTERM; return which.

    A second such signal is passed on to programs that are ending, as servers take it for a request to hurry.

    Args:
        stages: programs that start together, and those that start when these are ready, and so on.
        on_ready: called when all are ready.
        reloads: whether SIGHUP is passed on to the programs of the last stage; else it ends this process, too.

    Raises:
        WorkerError: a program could not start.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[signal.Signals] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.put_nowait, number)
    workers = [[Worker(program) for program in stage] for stage in stages]
    if reloads:
        loop.add_signal_handler(signal.SIGHUP, signal_all, workers[-1], signal.SIGHUP)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        loop.add_signal_handler(signal.SIGHUP, told.put_nowait, signal.SIGHUP)
    telling = asyncio.create_task(told.get())
    starting = asyncio.create_task(start_all(workers))
    try:
        await asyncio.wait([telling, starting], return_when=asyncio.FIRST_COMPLETED)
        if not telling.done():
            await starting
            on_ready()
        return await telling
    finally:
        starting.cancel()
        telling.cancel()
        hurrying = asyncio.create_task(hurry(told, workers))
        for stage in reversed(workers):
            await asyncio.gather(*(worker.stop() for worker in stage))
        hurrying.cancel()


async def start_all(stages: Sequence[Sequence[Worker]]) -> None:
    """
    Start programs, a stage after the other.

    Raises:
        WorkerError: one could not start.
    """
    for stage in stages:
        await asyncio.gather(*(worker.start() for worker in stage))


async def hurry(told: asyncio.Queue[signal.Signals], stages: Sequence[Sequence[Worker]]) -> None:
    """Pass signals on to all programs that still run."""
    while True:
        await told.get()
        for stage in stages:
            signal_all(stage, signal.SIGTERM)


def signal_all(workers: Sequence[Worker], number: signal.Signals) -> None:
    """Send a signal to programs."""
    for worker in workers:
        worker.signal(number)
