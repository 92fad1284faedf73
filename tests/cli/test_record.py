"""Recording from a real server, interrupted in every way, and played again."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pricewire.cli import record as module
from pricewire.cli.record import Recorder, record
from pricewire.cli.recording_file import RecordingFile
from pricewire.errors import InvalidTopicError, RecordingError
from pricewire.market.feeds.replay.feed import ReplayFeed
from support.client_messages import tick_event
from support.feeds import HandFeed
from support.raw_server import RawServer, hold, stream
from support.serving import Serving

PATIENCE = 60.0
START = 1_796_000_000_000


def times(path: Path) -> list[int]:
    return [round(row["time"].timestamp() * 1000) - START for row in pq.read_table(path).to_pylist()]


async def run(url: str, path: Path, *, count: int | None = None, instruments: tuple[str, ...] = ("GOLD",)) -> tuple[int, str]:
    text = StringIO()
    async with asyncio.timeout(PATIENCE):
        code = await record(url, instruments, path, Console(file=text, width=200), count=count)
    return code, text.getvalue()


async def test_recorded_continued_without_gap_and_played(server: Serving, feed: HandFeed, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    assert await run(server.url, path, count=1) == (0, f"1 ticks recorded, 1 in {path}\n")
    # Nobody records meanwhile: the server has it all the same.
    for moment in range(1, 4):
        server.call(feed.give, 1.0 + moment / 10, 1.3 + moment / 10, START + moment)
    assert await run(server.url, path, count=3) == (0, f"3 ticks recorded, 4 in {path}\n")
    assert times(path) == [0, 1, 2, 3]
    played = [tick async for tick in ReplayFeed(path, speed=1e9, loop=False, keep_times=True)]
    assert [(tick.instrument_id, tick.epoch_ms - START) for tick in played] == [("GOLD", moment) for moment in range(4)]
    assert [float(tick.bid) for tick in played] == [1.0, 1.1, 1.2, 1.3]


async def test_a_recording_of_another_boot_says_that_something_may_be_missing(server: Serving, feed: HandFeed, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    await run(server.url, path, count=1)
    recording = RecordingFile(path)
    recording.append([], "0badb007-1")
    # The current value is the one that was recorded last, and comes again.
    asyncio.get_running_loop().call_later(0.1, server.call, feed.give, 1.0, 1.3, START + 1)
    code, text = await run(server.url, path, count=1)
    assert (code, text) == (0, f"1 ticks recorded, 2 in {path}; 1 or more are missing\n")
    assert times(path) == [0, 1]


async def test_what_the_server_left_out_is_counted_and_what_does_not_fit_is_said(tmp_path: Path) -> None:
    events = tick_event(1, merged=4) + b"data: nonsense\n\n" + tick_event(2, price="NaN") + tick_event(3)
    async with RawServer(hold(events)) as server:
        code, text = await run(server.url, tmp_path / "ticks.parquet", count=2, instruments=("R_100",))
    assert code == 0
    assert "does not fit" in text
    assert "2 ticks recorded" in text
    assert "4 or more are missing" in text


async def test_cancelling_keeps_what_came(server: Serving, feed: HandFeed, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    recorders: list[Recorder] = []
    task = asyncio.ensure_future(
        record(server.url, ["GOLD", "R_10"], path, Console(file=StringIO()), on_started=recorders.append),
    )
    async with asyncio.timeout(PATIENCE):
        while not recorders or recorders[0].received < 3:  # noqa: ASYNC110 - a count that anybody may look at
            await asyncio.sleep(0.01)
    task.cancel()
    assert await task == 0
    assert RecordingFile(path).rows == recorders[0].received


@pytest.mark.parametrize(("count", "shown"), [(2, "━"), (None, "recording GOLD")])
async def test_a_terminal_shows_how_it_goes(server: Serving, feed: HandFeed, tmp_path: Path, count: int | None, shown: str) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    text = StringIO()
    console = Console(file=text, width=120, force_terminal=True, force_interactive=True)
    task = asyncio.ensure_future(record(server.url, ["GOLD"], tmp_path / "ticks.parquet", console, count=count))
    async with asyncio.timeout(PATIENCE):
        while "1 ticks, 0 in the file" not in text.getvalue():  # noqa: ASYNC110 - a text that a thread draws
            await asyncio.sleep(0.01)
    task.cancel()
    assert await task == 0
    assert shown in text.getvalue()
    assert "1 ticks recorded, 1 in" in text.getvalue()


async def test_a_refusal_and_a_file_that_cannot_be_written(server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text = await run(server.url, tmp_path / "a.parquet", instruments=("NOPE",))
    assert code == 1
    assert "there is no instrument 'NOPE'" in text
    # Before anything is recorded that would be lost.
    with pytest.raises(RecordingError, match="cannot be written"):
        await run(server.url, tmp_path / "nowhere" / "a.parquet", instruments=("R_10",))
    monkeypatch.setattr(module, "FLUSH_INTERVAL", 0.01)
    (tmp_path / ".c.parquet.new").mkdir()
    code, text = await run(server.url, tmp_path / "c.parquet", instruments=("R_10",))
    assert code == 1
    assert "cannot be written" in text
    with pytest.raises(InvalidTopicError):
        await run(server.url, tmp_path / "a.parquet", instruments=("R 10",))
    (tmp_path / "b.parquet").write_text("mine")
    with pytest.raises(RecordingError, match="cannot be continued"):
        await run(server.url, tmp_path / "b.parquet")


async def test_a_lost_connection_leaves_no_gap(tmp_path: Path) -> None:
    async with RawServer(stream(tick_event(1) + tick_event(2)), hold(tick_event(3))) as server:
        code, text = await run(server.url, tmp_path / "ticks.parquet", count=3, instruments=("R_100",))
        assert (code, "missing" in text) == (0, False)
    assert server.connections[1].headers[b"last-event-id"] == b"2"
    assert RecordingFile(tmp_path / "ticks.parquet").cursor == "3"


COMMAND = """
import os, resource, sys
if most := int(os.environ.get("MOST_BYTES", "0")):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
from pricewire.cli.main import main
from pricewire.cli import record
record.FLUSH_INTERVAL = 0.05
record.FLUSH_SHARE = 0.0
sys.argv[0] = "pricewire"
main()
"""


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started(server: Serving, tmp_path: Path) -> Iterator[Start]:
    programs: list[subprocess.Popen[str]] = []

    def start(*options: str, **variables: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COMMAND, "record", "GOLD", "R_10", "--to", str(tmp_path / "ticks.parquet"), "--url", server.url]
        environment = {**os.environ, "TERM": "dumb", **variables}
        programs.append(subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment))
        return programs[-1]

    yield start
    for program in programs:
        with program:
            program.kill()


def wait_for_rows(path: Path, count: int, program: subprocess.Popen[str]) -> None:
    def rows() -> int:
        return pq.read_metadata(path).num_rows if path.exists() else 0

    async def wait() -> None:
        async with asyncio.timeout(PATIENCE):
            while rows() < count:
                assert program.poll() is None
                await asyncio.sleep(0.02)

    asyncio.run(wait())


def test_killed_in_the_middle(server: Serving, feed: HandFeed, tmp_path: Path, started: Start) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    program = started()
    wait_for_rows(path, 3, program)
    program.kill()
    program.communicate()
    before = RecordingFile(path)
    server.call(feed.give, 1.0, 1.3, START + 1)
    program = started()
    wait_for_rows(path, before.rows + 3, program)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0
    assert "ticks recorded" in errors
    assert "missing" not in errors
    rows = pq.read_table(path).to_pylist()
    assert [row["instrument_id"] for row in rows].count("GOLD") == 2
    check_that_nothing_is_missing(path)


def test_two_at_once_on_one_file(server: Serving, feed: HandFeed, tmp_path: Path, started: Start) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    first = started()
    wait_for_rows(path, 3, first)
    second = started()
    _, errors = second.communicate(timeout=PATIENCE)
    assert (second.returncode, errors) == (
        1,
        f"pricewire: another process records into {path}; name another file, or end that one\n",
    )
    wait_for_rows(path, RecordingFile(path).rows + 3, first)
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    assert errors.startswith(f"{RecordingFile(path).rows} ticks recorded, ")
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_a_whole_file_that_is_continued(
    server: Serving, feed: HandFeed, tmp_path: Path, started: Start
) -> None:
    path = tmp_path / "ticks.parquet"
    server.call(feed.give, 1.0, 1.2, START)
    started("--count", "3").communicate(timeout=PATIENCE)
    # A file's size has a limit, and what exceeds it fails in the middle of a flush, as on a full disk.
    program = started(MOST_BYTES="3000")
    _, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 1
    assert f"recording {path} cannot be written: " in errors
    assert list(tmp_path.iterdir()) == [path]
    before = RecordingFile(path)
    assert before.rows >= 3
    assert f"{before.rows - 3} ticks recorded, {before.rows} in {path}" in errors
    program = started()
    wait_for_rows(path, before.rows + 3, program)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, "missing" in errors) == (0, False)
    check_that_nothing_is_missing(path)


def test_killed_again_and_again_in_the_middle_of_a_flush(server: Serving, feed: HandFeed, tmp_path: Path, started: Start) -> None:
    path, torn = tmp_path / "ticks.parquet", tmp_path / ".ticks.parquet.new"
    server.call(feed.give, 1.0, 1.2, START)
    rows = 0
    for _ in range(2):
        program = started()
        wait_for_rows(path, rows + 2, program)
        program.kill()
        program.communicate()
        rows = RecordingFile(path).rows
        # What a kill in the middle of writing leaves beside it.
        torn.write_bytes(path.read_bytes()[:-7])
    program = started()
    wait_for_rows(path, rows + 2, program)
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, "missing" in errors) == (0, False)
    check_that_nothing_is_missing(path)
    assert list(tmp_path.iterdir()) == [path]


def check_that_nothing_is_missing(path: Path) -> None:
    """A tick every 100 ms: none is missing, none is double."""
    moments = [row["time"].timestamp() for row in pq.read_table(path).to_pylist() if row["instrument_id"] == "R_10"]
    assert {round((later - earlier) * 1000) for earlier, later in itertools.pairwise(moments)} == {100}


def test_the_command_line(server: Serving, feed: HandFeed, tmp_path: Path, started: Start) -> None:
    server.call(feed.give, 1.0, 1.2, START)
    program = started("--count", "2")
    _, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, f"2 ticks recorded, 2 in {tmp_path / 'ticks.parquet'}\n")
