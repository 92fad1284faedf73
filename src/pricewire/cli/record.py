"""Recording: a stream's ticks, in order, without gap and without doubles, into a file."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from cyclopts import Group, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pricewire.cli.advice import remedy
from pricewire.cli.recording import Recording, open_recording, sole_writer
from pricewire.cli.recording_row import row_of
from pricewire.client.api.tokens import Token
from pricewire.client.parsing import TypedDecoder, all_finite
from pricewire.client.report import OnError
from pricewire.client.stream.event_source import EventSource
from pricewire.client.tasks import finish
from pricewire.client.wire import FOREVER, stream_url
from pricewire.errors import ClientError, DecodeError, PricewireError, RecordingError
from pricewire.extras import missing_extra
from pricewire.protocol.messages import Envelope, Tick
from pricewire.protocol.topics import TicksTopic, parse_topic

PAST = Group("The past", help="To record what has been, from a server's data directory.", sort_key=2)

FLUSH_INTERVAL = 10.0
"""How often what was recorded is written, in seconds."""

FLUSH_SHARE = 20.0
"""A flush is followed by so many times its own duration without one: a long recording takes longer to write."""


class Recorder:
    """
    Records until it is cancelled, or the server ends the stream.

    Attributes:
        received: how many ticks were recorded so far.
        missed: how many the server left out or no longer had; of a reset stream, one, as it cannot know.

    Args:
        source: brings the events of ticks.
        file: gets the ticks.
        on_error: called with messages that do not fit.
        count: how many ticks are enough; None: no end.
    """

    def __init__(self, source: EventSource, file: Recording, on_error: OnError, count: int | None = None) -> None:
        self.received = 0
        self.missed = 0
        self._source = source
        self._file = file
        self._on_error = on_error
        self._count = count
        self._decoder = TypedDecoder(Envelope[Tick])
        self._waiting: list[Tick] = []
        self._cursor = file.cursor
        self._last = dict(file.last)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """
        Record. However it ends, all that was received is in the file then.

        Raises:
            ClientError: the stream cannot go on.
            RecordingError: the file cannot be written.
        """
        flushing = asyncio.create_task(self._flush_again_and_again(), name="pricewire: flush the recording")
        try:
            async with self._source:
                await self._read()
        finally:
            self._stopping.set()
            try:
                await finish([flushing])
            finally:
                if self._waiting or not self._file.rows:
                    self._file.append(self._waiting, self._cursor)

    async def _read(self) -> None:
        async for event in self._source:
            if event.type == "reset":
                self.missed += 1
            elif event.type == "message" and (tick := self._tick_of(event.data)) is not None:
                self._waiting.append(tick)
                self.received += 1
            self._cursor = self._source.last_event_id
            if self.received == self._count:
                return

    def _tick_of(self, data: str) -> Tick | None:
        """Return the tick of an event; None where it cannot be read, or is in the recording already."""
        try:
            envelope = self._decoder.decode(data)
        except DecodeError as error:
            self._on_error(error)
            return None
        tick, row = envelope.data, row_of(envelope.data)
        # A stream that starts again begins with the current value, which may have been the last one before.
        if not all_finite(tick) or self._last.get(tick.instrument_id) == row:
            return None
        self._last[tick.instrument_id] = row
        self.missed += envelope.merged
        return tick

    async def _flush_again_and_again(self) -> None:
        pause = FLUSH_INTERVAL
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                return
            except TimeoutError:
                begun = time.monotonic()
            ticks, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._file.append, ticks, self._cursor)
            except RecordingError:
                # The last flush tries once more, and its failure is the recording's.
                self._waiting = ticks + self._waiting
                self._source.close()
                return
            pause = max(FLUSH_INTERVAL, FLUSH_SHARE * (time.monotonic() - begun))


def command(
    *instruments: str,
    to: Path,
    url: str = "http://127.0.0.1:8080",
    token: str | None = None,
    count: int | None = None,
    journal: Annotated[Path | None, Parameter(group=PAST)] = None,
    since: Annotated[datetime | None, Parameter(group=PAST)] = None,
    until: Annotated[datetime | None, Parameter(group=PAST)] = None,
) -> None:
    """
    Record ticks into a CSV or Parquet file, which `pricewire serve --feed replay:PATH` plays.

    `pricewire record R_100 EURUSD --to ticks.parquet` records until Ctrl-C. The file is complete at any moment; a recording that was
    interrupted goes on where it stopped when the same command is given again.

    Args:
        instruments: whose ticks, `R_100` for instance.
        to: the file: `.csv`, to which lines are added, or `.parquet`, which is smaller.
        url: the server.
        token: a bearer token, if the server wants one; better set as `PRICEWIRE_TOKEN`, which other users of the machine cannot see.
        count: how many ticks are enough.
        journal: the folder `journal` in the data directory of a server, which may be running: its ticks are recorded instead.
        since: the first time of interest, `2026-11-28T09:30` for instance, in UTC unless it has a zone; by default all there is.
        until: the last time of interest.
    """
    if not instruments:
        raise PricewireError("name the instruments to record: pricewire record R_100 --to ticks.parquet")
    if journal is not None:
        if count is not None or token is not None:
            raise PricewireError("--count and --token are for a recording of what is to come; leave them out with --journal")
        record_past(journal, instruments, to, since=since, until=until)
        return
    if since is not None or until is not None:
        raise PricewireError("--since and --until are for the past: name the server's --journal, too")
    sys.exit(asyncio.run(record(url, list(instruments), to, Console(stderr=True), token=token, count=count)))


def record_past(journal: Path, instruments: Sequence[str], to: Path, *, since: datetime | None, until: datetime | None) -> None:
    """
    Record what a journal has.

    Raises:
        PricewireError: it cannot be read, or the file cannot be written.
        MissingExtraError: pyarrow, which writes Parquet, or NumPy, which reads the journal, is not installed.
    """
    try:
        from pricewire.cli.record_journal import record_journal
    except ImportError as error:
        raise missing_extra(error, "recording a journal") from error
    record_journal(journal, instruments, to, Console(stderr=True), since=since, until=until)


async def record(
    url: str,
    instruments: Sequence[str],
    to: Path,
    console: Console,
    *,
    token: Token | None = None,
    count: int | None = None,
    on_started: Callable[[Recorder], object] | None = None,
) -> int:
    """
    Record ticks until Ctrl-C or `count`, and show how it goes; return the command's exit code.

    Args:
        url: the server's address.
        instruments: whose ticks.
        to: the file, in CSV or Parquet by its suffix; one that is there is continued where it stopped.
        console: where messages go.
        token: a bearer token, or an async function that returns one.
        count: how many ticks are enough; None: no end.
        on_started: called with the recorder.

    Raises:
        PricewireError: an instrument's name cannot be one, or the file cannot be written or continued, or is being recorded into.
        ValueError: the address or the token cannot be used.
    """
    topics = [str(parse_topic(str(TicksTopic(instrument_id)))) for instrument_id in dict.fromkeys(instruments)]
    with sole_writer(to):
        return await _record(url, topics, open_recording(to), console, token=token, count=count, on_started=on_started)


async def _record(
    url: str,
    topics: Sequence[str],
    file: Recording,
    console: Console,
    *,
    token: Token | None,
    count: int | None,
    on_started: Callable[[Recorder], object] | None,
) -> int:
    before = file.rows

    def tell(error: PricewireError) -> None:
        console.print(f"pricewire: {error}{remedy(error, url)}", markup=False, highlight=False, soft_wrap=True)

    query = urlencode([("topic", topic) for topic in topics], safe=":")
    source = EventSource(
        f"{stream_url(url, protected=token is not None)}?{query}",
        token=token,
        reconnect=FOREVER,
        retry_statuses=True,
        last_event_id=file.cursor,
        on_error=tell,
    )
    recorder = Recorder(source, file, tell, count)
    if on_started is not None:
        on_started(recorder)
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):
        loop.add_signal_handler(signal.SIGTERM, task.cancel if task is not None else source.close)
    code = 0
    progress = _progress(console, count)
    with progress if console.is_interactive else contextlib.nullcontext():
        line = progress.add_task(f"recording {', '.join(topic.removeprefix('ticks:') for topic in topics)}", total=count, rows=file.rows)
        showing = loop.create_task(_show(recorder, file, progress, line), name="pricewire: show the recording")
        try:
            await recorder.run()
        except asyncio.CancelledError:
            # Ctrl-C is how a recording ends.
            pass
        except (ClientError, RecordingError) as error:
            tell(error)
            code = 1
        finally:
            showing.cancel()
    missed = f"; {recorder.missed} or more are missing" if recorder.missed else ""
    console.print(f"{file.rows - before} ticks recorded, {file.rows} in {file.path}{missed}", markup=False, highlight=False, soft_wrap=True)
    return code


def _progress(console: Console, count: int | None) -> Progress:
    """Return the line that shows how a recording goes, with a bar where it has an end; gone afterwards."""
    counts = TextColumn("{task.completed:,} ticks, {task.fields[rows]:,} in the file; Ctrl-C ends it")
    bar = [] if count is None else [BarColumn(), TimeRemainingColumn(compact=True)]
    name = TextColumn("{task.description}", markup=False)
    return Progress(SpinnerColumn(), name, *bar, TimeElapsedColumn(), counts, console=console, transient=True)


async def _show(recorder: Recorder, file: Recording, progress: Progress, line: TaskID) -> None:
    while True:
        progress.update(line, completed=recorder.received, rows=file.rows)
        await asyncio.sleep(0.25)
