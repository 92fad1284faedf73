"""The supervisor of programs that belong together, with small ones."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pricewire.cli import supervisor
from pricewire.cli.supervisor import Program, Worker, ending, supervise
from pricewire.errors import WorkerError
from support.serving import PATIENCE
from support.workers import until_gone

NOTES = (
    "import os, pathlib, signal, sys, time; notes = pathlib.Path(sys.argv[1]); note = lambda text: notes.open('a').write(text + '\\n')\n"
)
RUNS = NOTES + "note(f'{sys.argv[2]} {os.getpid()}'); print('it runs', file=sys.stderr, flush=True); signal.pause()"


class Notes:
    """What programs of a test have noted."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notes"

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self.lines()]

    def program(self, name: str, code: str = RUNS, *, grace_s: float = PATIENCE, is_alive: Callable[[], bool] = lambda: True) -> Program:
        """Return a program that is ready when it has noted something."""

        async def ready() -> bool:
            return any(line.startswith(name) for line in self.lines())

        async def alive() -> bool:
            return is_alive()

        return Program(name, [sys.executable, "-c", code, str(self.path), name], ready, alive, grace_s, b"", lambda line: None)

    async def until(self, count: int) -> None:
        """Wait until there are so many lines."""
        async with asyncio.timeout(PATIENCE):
            while len(self.lines()) < count:  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.02)


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path)


async def test_programs_start_in_order_and_end_in_the_opposite_one(notes: Notes) -> None:
    code = NOTES + (
        "signal.signal(signal.SIGTERM, lambda *_: (note('-' + sys.argv[2]), sys.exit(0)))\nnote(sys.argv[2])\nwhile True: signal.pause()"
    )
    stages = [[notes.program("first", code)], [notes.program("second", code)]]
    ended_by = await supervise(stages, lambda: os.kill(os.getpid(), signal.SIGTERM), reloads=True)
    assert ended_by == signal.SIGTERM
    assert notes.lines() == ["first", "second", "-second", "-first"]


async def test_a_program_that_ends_is_started_again_and_ever_later(
    notes: Notes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(supervisor, "MOST_WAIT_S", 0.03)
    worker = Worker(notes.program("it", NOTES + "note(f'it {os.getpid()}'); time.sleep(0.1); sys.exit(3)"))
    await worker.start()
    await notes.until(5)
    await worker.stop()
    until_gone(notes.pids())
    waits = [record.getMessage().partition("again in ")[2] for record in caplog.records if "is started again" in record.getMessage()]
    assert waits[:4] == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]
    assert "it has ended: exit status 3; it is started again in 0.01 s" in caplog.text


async def test_a_program_that_does_not_answer_is_killed_and_started_again(
    notes: Notes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("FIRST_WAIT_S", "LOOK_S"):
        monkeypatch.setattr(supervisor, name, 0.01)
    answers = iter([True, False, True, *[False] * supervisor.MOST_SILENCES])
    worker = Worker(notes.program("it", is_alive=lambda: next(answers, True)))
    await worker.start()
    await notes.until(2)
    await worker.stop()
    assert next(answers, None) is None, "it was not killed before"
    assert "it does not answer, and is killed" in caplog.text
    until_gone(notes.pids())


async def test_a_program_that_does_not_end_is_killed(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    code = NOTES + "signal.signal(signal.SIGTERM, signal.SIG_IGN); note(f'it {os.getpid()}')\nwhile True: signal.pause()"
    worker = Worker(notes.program("it", code, grace_s=0.2))
    await worker.start()
    await worker.stop()
    until_gone(notes.pids())
    assert "it has not ended within 0.2 s, and is killed" in caplog.text


async def test_a_program_that_cannot_start_ends_the_others(notes: Notes) -> None:
    stages = [[notes.program("first")], [notes.program("second", "raise SystemExit(7)")], [notes.program("third")]]
    with pytest.raises(WorkerError, match="second could not start: exit status 7"):
        await supervise(stages, lambda: pytest.fail("they are not ready"), reloads=True)
    assert [line.split()[0] for line in notes.lines()] == ["first"]
    until_gone(notes.pids())


async def test_a_hangup_reaches_the_last_stage(notes: Notes) -> None:
    code = NOTES + "signal.signal(signal.SIGHUP, lambda *_: note('reload 0'))\nnote(f'it {os.getpid()}')\nwhile True: signal.pause()"

    def ready() -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    ending = asyncio.create_task(supervise([[notes.program("it", code)]], ready, reloads=True))
    await notes.until(2)
    os.kill(os.getpid(), signal.SIGINT)
    assert await ending == signal.SIGINT
    assert notes.lines()[1] == "reload 0"


def test_how_a_program_has_ended() -> None:
    assert [ending(status) for status in (0, 2, -9, -40)] == ["exit status 0", "exit status 2", "SIGKILL", "signal 40"]
