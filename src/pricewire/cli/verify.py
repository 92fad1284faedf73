"""`pricewire verify`: tests an event stream, shows what is being done, and reports what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from pricewire.errors import PricewireError, quoted
from pricewire.verify import Options, Report, Surroundings, Verdict, verify
from pricewire.verify.target import parse_header

COMMAND_S = 30.0
"""How long a command may take, in seconds."""

SHOWN = 300
"""How much of what a failed command said is shown, in characters."""

STYLES = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.WARNED: "yellow", Verdict.UNKNOWN: "dim"}


def command(
    url: str,
    *,
    header: list[str] | None = None,
    token_command: str | None = None,
    publish_command: str | None = None,
    shutdown_command: str | None = None,
    until: timedelta = timedelta(seconds=30),
    load: int = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
    junit: Path | None = None,
) -> None:
    """
    Test an event stream of any server, and say what is wrong with it and how to mend it.

    `pricewire verify https://example.com/stream` takes half a minute and opens at most 20 connections, one after the other for the most
    part. The exit status is 1 where a rule is broken. Commands are run by the shell.

    Args:
        url: the stream's address.
        header: a header that is sent with each request, `Name: value`; may be given several times.
        token_command: prints a bearer token; run again when that is about to end.
        publish_command: makes an event that the stream brings, so that resuming and delays are judged exactly.
        shutdown_command: stops the server, at the end, to see how its streams end.
        until: for how long the stream is watched: 30s, 2m.
        load: opens so many streams at once as well, as clients do after a restart.
        json: print the report as JSON.
        junit: a file that the report is written to as JUnit's XML.
    """
    if not 1 <= until.total_seconds() <= 3600:
        raise PricewireError(f"--until {until.total_seconds():g}s: from 1 second to an hour")
    if not 0 <= load <= 10_000:
        raise PricewireError(f"--load {load}: from 0 to 10000 streams")
    options = Options(
        headers=tuple(parse_header(each) for each in header or ()),
        token=None if token_command is None else printed("--token-command", token_command),
        publish=None if publish_command is None else done("--publish-command", publish_command),
        shutdown=None if shutdown_command is None else done("--shutdown-command", shutdown_command),
        until=until.total_seconds(),
        load=load,
    )
    report = asyncio.run(watched(url, options, Console(stderr=True)))
    if junit is not None:
        try:
            junit.write_text(report.junit(), encoding="utf-8")
        except OSError as error:
            raise PricewireError(f"--junit {junit}: {error.strerror}") from None
    if json:
        sys.stdout.write(report.json())
    else:
        show(report, Console())
    sys.exit(int(not report.is_ok))


async def watched(url: str, options: Options, console: Console) -> Report:
    """
    Test a stream, and show meanwhile what is being done.

    Args:
        url: its address.
        options: how.
        console: where that goes: on one line where it is a terminal, else a line for each step.
    """
    with console.status("") if console.is_terminal else nullcontext() as status:

        def tell(text: str) -> None:
            if status is None:
                console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                status.update(Text(text))

        return await verify(url, options, Surroundings(progress=tell))


def show(report: Report, console: Console) -> None:
    """Print a report, with the verdicts coloured where the console is a terminal."""
    for line in report.text().splitlines():
        text = Text(line)
        for verdict, style in STYLES.items():
            if line.startswith(f"{verdict.value} "):
                text.stylize(style, 0, len(verdict.value))
        console.print(text, highlight=False, soft_wrap=True)


async def run(name: str, line: str) -> str:
    """
    Run a command by the shell; return what it printed.

    Raises:
        PricewireError: it failed, or took too long.
    """
    process = await asyncio.create_subprocess_shell(
        line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(COMMAND_S):
            output, errors = await process.communicate()
    except TimeoutError:
        raise PricewireError(f"{name}: it did not end within {COMMAND_S:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = errors.decode(errors="replace").strip()
        raise PricewireError(f"{name}: it ended with status {process.returncode}{f', {quoted(said, SHOWN)}' if said else ''}")
    return output.decode(errors="replace")


def printed(name: str, line: str) -> Callable[[], Awaitable[str]]:
    """Return what runs a command and returns what it printed, without the space around it."""

    async def get() -> str:
        return (await run(name, line)).strip()

    return get


def done(name: str, line: str) -> Callable[[], Awaitable[None]]:
    """Return what runs a command."""

    async def do() -> None:
        await run(name, line)

    return do
