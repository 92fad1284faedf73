"""The code in the documentation is run: Python, shell, configuration, recordings, nginx."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricewire.market.feeds.replay.feed import ReplayFeed
from support.doc_blocks import APPLICATION, BLOCKS, PATH, SERVER, Block, Program, blocks, read
from support.serving import Reader, Serving

from .conftest import Place

ENOUGH = 3
"""After so many lines a program that goes on for ever has shown what it does."""

RUN = (
    "curl ",
    "DETAILS=",
    "make ",
    "pricewire account ",
    "pricewire check",
    "pricewire feed test",
    "pricewire export ",
    "pricewire import ",
    "pricewire record ",
    "pricewire serve",
    "pricewire token ",
    "pricewire watch ",
)
"""What marks a command that is run here."""

NOT_RUN = ("make test", "npm ", "pip install", "cd ")
"""What a shell block may hold that is not run here: other tests do - of the install page `tests/packages` -, or it would fetch packages."""

LANGUAGES = {"python", "sh", "toml", "json", "csv", "nginx", "ts", "tsx", "vue", "svelte", "html", "js", "go", "php", "text"}
"""What is known here; `text` is for output and drawings."""


def test_every_block_says_what_it_is() -> None:
    unknown = [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in LANGUAGES]
    assert not unknown


@contextlib.contextmanager
def serving(block: Block, folder: Path) -> Iterator[tuple[Program, str]]:
    """Run an application on a free port; give its process and address."""
    code, count = re.subn(r"port=8000\b", "port=0", block.code)
    assert count == 1, f"{block} does not serve on port 8000"
    script = folder / "application.py"
    script.write_text(code)
    with Program([sys.executable, script], folder) as program:
        yield program, program.wait_for(r"running on (http://\S+)")[1]


RUN_ELSEWHERE = "venue.py"
"""What the test of its page runs, as it waits for somebody to connect."""


@pytest.mark.parametrize("block", [block for block in blocks("python") if not block.serves and block.title != RUN_ELSEWHERE], ids=str)
def test_python(block: Block, served: Serving, place: Place) -> None:
    folder = place(block)
    script = folder / (block.title or "block.py")
    script.write_text(block.code.replace(SERVER, served.url))
    with Program([sys.executable, script], folder) as program:
        printed = [line for line, _ in zip(program.lines(), range(ENOUGH), strict=False)]
        assert len(printed) == ENOUGH or program.wait() == 0, "\n".join(program.errors)
        assert len(printed) > 0 or "print(" not in block.code
        assert program.errors == []


@pytest.mark.parametrize("block", [block for block in blocks("python") if block.serves], ids=str)
def test_python_that_serves(block: Block, place: Place) -> None:
    with serving(block, place(block)) as (program, _):
        program.interrupt()
        assert program.wait() == 0
        assert not any("Traceback" in line for line in program.errors)


def test_every_shell_command_is_run_or_known() -> None:
    for block in blocks("sh"):
        for line in commands(block):
            known = any(name in line for name in RUN)
            assert known or line.startswith(NOT_RUN), f"{block}: {line}"


def commands(block: Block) -> list[str]:
    """Return a block's commands without comments, each on one line."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line.strip()]


def lines_with(*parts: str) -> list[tuple[Block, str]]:
    """Return the commands that hold one of some parts."""
    return [(block, line) for block in blocks("sh") for line in commands(block) if any(part in line for part in parts)]


@pytest.mark.parametrize("block", [block for block in blocks("sh") if "curl " in block.code], ids=str)
def test_curl(block: Block, served: Serving, place: Place) -> None:
    folder = place(block)
    with contextlib.ExitStack() as stack:
        code = block.code.replace(SERVER, served.url)
        if APPLICATION in code:
            application = [other for other in read(block.page) if other.serves and other.line < block.line][-1]
            code = code.replace(APPLICATION, stack.enter_context(serving(application, folder))[1])
        program = stack.enter_context(Program(["bash", "-e", "-c", code], folder))
        streams = "-N" in block.code
        printed: list[str] = []
        for line in program.lines():
            printed.append(line)
            if streams and line.startswith("data: "):
                json.loads(line.removeprefix("data: "))
                return
        assert not streams, f"no event came: {printed}"
        assert program.wait() == 0
        assert printed
        assert '"error"' not in "".join(printed)


@pytest.mark.parametrize(
    ("block", "line"), lines_with("pricewire serve", "make run"), ids=lambda value: value if isinstance(value, str) else str(value)
)
def test_serve(block: Block, line: str, place: Place) -> None:
    if line.startswith("make run"):
        words = shlex.split(line)[2:]
        assert all(word.startswith("ARGS=") for word in words)
        line = " ".join(["pricewire serve", *(word.removeprefix("ARGS=") for word in words)])
    line = re.sub(r"PRICEWIRE_PORT=\d+", "PRICEWIRE_PORT=0", line)
    with Program(["bash", "-c", f"exec env {line}"], place(block), {"PRICEWIRE_PORT": "0"}) as program:
        check_served(program)


def check_served(program: Program) -> None:
    """Wait until it serves, find prices there, and stop it."""
    url = program.wait_for(r"Serving on (http\S+)")[1]
    assert httpx2.get(f"{url}/v1/market/instruments").json()["data"]["instruments"]
    program.interrupt()
    assert program.wait() == 128 + signal.SIGINT
    assert not any("Traceback" in line for line in program.errors)


@pytest.mark.parametrize(
    ("block", "line"), lines_with("pricewire watch"), ids=lambda value: value if isinstance(value, str) else str(value)
)
def test_watch(block: Block, line: str, served: Serving, place: Place) -> None:
    line = line.removeprefix(".venv/bin/")
    with Program(["bash", "-c", f"exec {line}"], place(block), {"PRICEWIRE_URL": served.url}) as program:
        for instrument in [word for word in shlex.split(line)[2:] if not word.startswith("-")]:
            program.wait_for(f"{instrument} bid ")


@pytest.mark.parametrize(
    ("block", "line"), lines_with("pricewire check"), ids=lambda value: value if isinstance(value, str) else str(value)
)
def test_check(block: Block, line: str, place: Place) -> None:
    with Program(["bash", "-c", f"exec {line}"], place(block), {"PRICEWIRE_PORT": "0"}) as program:
        program.wait_for("address\tok")
        assert program.wait() == 0


@pytest.mark.parametrize(("block", "line"), lines_with("pricewire feed test"), ids=str)
def test_feed(block: Block, line: str, place: Place) -> None:
    # Nothing is there to answer.
    line = re.sub(r"--seconds \d+", "--seconds 0.5", line)
    with Program(["bash", "-c", f"exec {line}"], place(block)) as program:
        assert list(program.lines())[-1].startswith("no tick came")
        assert program.wait() == 1


@pytest.mark.parametrize("block", [block for block in blocks("sh") if "pricewire account" in block.code], ids=str)
def test_account(block: Block, place: Place) -> None:
    folder = place(block)
    environment = {**os.environ, "PATH": PATH}

    def run(line: str) -> None:
        # Each command reads a password of its own where it wants one.
        result = subprocess.run(
            line, shell=True, cwd=folder, env=environment, input="correct horse\n", text=True, capture_output=True, timeout=120
        )
        assert result.returncode == 0, f"{line}: {result.stderr}"

    for name in ("alice", "bob"):
        if name in block.code and f"account add {name}" not in block.code:
            run(f"pricewire account add {name}")
    for line in commands(block):
        run(line)


@pytest.mark.parametrize(
    ("block", "line"), lines_with("pricewire record"), ids=lambda value: value if isinstance(value, str) else str(value)
)
def test_record(block: Block, line: str, served: Serving, data: Path, place: Place) -> None:
    folder = place(block)
    (folder / "pricewire-data").mkdir()
    (folder / "pricewire-data" / "journal").symlink_to(data / "journal")
    with Program(["bash", "-c", f"exec {line}"], folder, {"PRICEWIRE_URL": served.url}) as program:
        assert program.wait() == 0, "\n".join(program.errors)
    assert list(folder.glob("*.parquet"))


def test_import_and_export(tmp_path: Path) -> None:
    for name, day in {"EURUSD-2024": "2024-06-01", "EURUSD-2025": "2025-06-01", "R_100": "2025-06-01"}.items():
        (tmp_path / f"{name}.csv").write_text(f"time,bid,ask\n{day}T12:00:00Z,1.09,1.10\n")
    quotes = {"time": pa.array([datetime(2026, 1, 31, 18, 59)], pa.timestamp("ms")), "bid": [1.09], "ask": [1.1]}
    pq.write_table(pa.table(quotes), tmp_path / "quotes.parquet")
    lines = [line for _, line in lines_with("pricewire import", "pricewire export")]
    assert len(lines) == 5
    for line in ["pricewire import R_100.csv", *lines]:
        with Program(["bash", "-c", f"exec {line}"], tmp_path) as program:
            assert program.wait() == 0, "\n".join(program.errors)
    assert (tmp_path / "january.csv").read_text().splitlines()[1:] == ["2026-01-31T23:59:00.000Z,EURUSD,1.09,1.10,1.10"]
    assert len((tmp_path / "hours.csv").read_text().splitlines()) > 1
    assert pq.read_table(tmp_path / "all.parquet")["instrument_id"].to_pylist() == ["EURUSD"] * 3 + ["R_100"]


OPTIONS = [block for block in blocks("toml") if block.title in (None, "pricewire.toml")]
"""Files of options of commands; those with other names are of feeds, and are used by the commands of their page."""


@pytest.mark.parametrize("block", OPTIONS, ids=str)
def test_toml(block: Block, served: Serving, place: Place) -> None:
    folder = place(block)
    file = folder / "options.toml"
    file.write_text(re.sub(r"port = \d+", "port = 0", block.code))
    # Another server may have the port that is the default.
    with Program(["pricewire", "--config", file, "serve", "--port", "0"], folder) as program:
        check_served(program)
    if "[watch]" in block.code:
        file.write_text(re.sub(r'url = ".*"', f'url = "{served.url}"', block.code))
        with Program(["pricewire", "--config", file, "watch", "R_100"], folder) as program:
            program.wait_for("R_100 bid ")


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json(block: Block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize("block", blocks("csv"), ids=str)
def test_csv(block: Block, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "quotes.csv"
    file.write_text(block.code)

    async def play() -> int:
        return len([tick async for tick in ReplayFeed(file, speed=1000)])

    with caplog.at_level(logging.WARNING):
        rows = asyncio.run(play())
    assert rows == len([line for line in block.code.splitlines() if line[0].isdigit()])
    assert caplog.records == []


@pytest.mark.parametrize("block", blocks("nginx"), ids=str)
def test_nginx(block: Block, served: Serving, tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        pytest.skip("nginx is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    site = block.code.replace("listen 80", f"listen 127.0.0.1:{port}").replace(SERVER, served.url)
    kinds = "".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; user root; pid {tmp_path}/pid; error_log stderr notice; events {{}} http {{ access_log off; {kinds} {site} }}"
    )
    with Program([nginx, "-p", tmp_path, "-e", "stderr", "-c", configuration], tmp_path) as program:
        program.wait_for("start worker process ")
        with Reader(f"http://127.0.0.1:{port}", "/sse?topic=ticks:R_100") as reader:
            assert reader.read_head()[0] == 200
            for _ in range(ENOUGH):
                reader.read_until(b"\n\n")
