"""Several processes that each have the hub for themselves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricewire.hub import siblings
from pricewire.hub.hub import Hub
from support.doc_blocks import Program
from support.serving import Reader

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the names are Linux's")

APPLICATION = """
import pricewire

hub = pricewire.Hub()


async def app(scope, receive, send):
    hub.publish("visits", scope["path"])
    await send({"type": "http.response.start", "status": 204, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b""})
"""


def make(*, replicated: bool = False) -> Hub:
    return Hub(replicated=replicated)


SITE = f"{make.__code__.co_filename}:{make.__code__.co_firstlineno + 1}"


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Another process that has the hubs of `make`, while this one is a worker too."""
    monkeypatch.setattr(siblings, "is_worker", lambda: True)
    monkeypatch.setattr(siblings, "GRACE", 0.01)
    # Another process of the tests may try the same at the same time, and has the same parent.
    name_of = siblings.name_of
    monkeypatch.setattr(siblings, "name_of", lambda site: f"{name_of(site)}-{os.getpid()}")
    names: dict[str, socket.socket] = {}
    monkeypatch.setattr(siblings, "_names", names)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(siblings.name_of(SITE))
        yield other
    for name in names.values():
        name.close()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_another_process_is_an_error_that_says_what_to_do(other: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    hub = make()
    hub.publish("a", 1)
    hub.publish("a", 2)
    await asyncio.sleep(0.1)
    assert len(errors(caplog)) == 1
    assert "readers MISS MESSAGES. Run one worker process" in errors(caplog)[0]
    assert f"made at {SITE}" in errors(caplog)[0]


async def test_one_that_ends_is_none(other: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    make().publish("a", 1)
    other.close()
    await asyncio.sleep(0.1)
    assert errors(caplog) == []


async def test_hubs_that_all_get_everything_are_none(other: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    make(replicated=True).publish("a", 1)
    await asyncio.sleep(0.1)
    assert errors(caplog) == []


async def test_many_hubs_of_one_process_are_none(other: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    other.close()
    for _ in range(3):
        make().publish("a", 1)
    await asyncio.sleep(0.1)
    assert errors(caplog) == []


def test_two_workers_of_uvicorn(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--workers", "2", "--port", str(port), "--no-access-log"]
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            # A worker that says that it has started does not listen yet.
            with contextlib.suppress(ConnectionRefusedError), Reader(f"http://127.0.0.1:{port}") as reader:
                reader.wait_for_end()

    source = str(Path(__file__).parents[2] / "src")
    with Program(command, tmp_path, {"PYTHONPATH": source}) as program:
        for _ in range(2):
            program.wait_for("Application startup complete|ASGI 'lifespan' protocol appears unsupported|Started server process")
        thread = threading.Thread(target=visit)
        thread.start()
        try:
            program.wait_for("readers MISS MESSAGES")
        finally:
            over.set()
            thread.join()
