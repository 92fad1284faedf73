"""Servers that are not ours, told to stop while streams are open: the readers learn it, and the servers end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pricewire.server.transport.stop_watch import stop_watch
from support.doc_blocks import Program
from support.serving import PATIENCE, Reader, unchunk

STREAMS = 100

FAREWELL = b'"code":"SERVER_DRAINING"'

BIN = Path(sys.executable).parent

APPLICATION = """
import pricewire

hub = pricewire.Hub()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/short":
        await send({"type": "http.response.start", "status": 204, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b""})
    else:
        await pricewire.EventStream(hub, ["news"])(scope, receive, send)
"""

COMMANDS = {
    "uvicorn": "uvicorn app:app --port {port}",
    "uvicorn with asyncio and h11": "uvicorn app:app --port {port} --http h11 --loop asyncio",
    "uvicorn with two workers": "uvicorn app:app --port {port} --workers 2",
    "gunicorn": "gunicorn app:app --worker-class asgi --bind 127.0.0.1:{port} --no-control-socket",
    "gunicorn with uvicorn's worker": "gunicorn app:app -k uvicorn_worker.UvicornWorker --bind 127.0.0.1:{port} --no-control-socket",
    "hypercorn": "hypercorn app:app --bind 127.0.0.1:{port}",
    "hypercorn with two workers": "hypercorn app:app --bind 127.0.0.1:{port} --workers 2",
    "granian": "granian --interface asgi app:app --port {port}",
}

RECYCLING = {
    "uvicorn": "uvicorn app:app --port {port} --limit-max-requests 3",
    "gunicorn": "gunicorn app:app -k asgi --bind 127.0.0.1:{port} --no-control-socket --max-requests 3",
    "gunicorn with uvicorn's worker": "gunicorn app:app -k uvicorn_worker.UvicornWorker --bind 127.0.0.1:{port} "
    "--no-control-socket --max-requests 3",
    "hypercorn": "hypercorn app:app --bind 127.0.0.1:{port} --max-requests {streams}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


def start(command: str, folder: Path, port: int, streams: int = STREAMS) -> Program:
    name, *arguments = command.format(port=port, streams=streams).split()
    source = str(Path(__file__).parents[3] / "src")
    return Program([BIN / name, *arguments], folder, {"PYTHONPATH": source})


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)


@contextlib.contextmanager
def open_streams(port: int, count: int = STREAMS) -> Iterator[list[Reader]]:
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Reader(f"http://127.0.0.1:{port}", "/")) for _ in range(count)]
        for reader in readers:
            assert reader.read_head()[0] == 200
        yield readers


def check_farewells(readers: list[Reader]) -> None:
    """Read the streams to their ends: each is whole, and says why it ends and when to come back."""
    for reader in readers:
        body, is_whole = unchunk(reader.read_to_end())
        assert is_whole
        assert body.endswith(b"\n\n")
        assert FAREWELL in body
        assert b"\nretry: " in body


@pytest.mark.parametrize("name", COMMANDS)
def test_streams_end_when_the_server_is_told_to_stop(name: str, folder: Path, port: int) -> None:
    with start(COMMANDS[name], folder, port) as program:
        wait_until_it_listens(port)
        with open_streams(port) as readers:
            began = time.monotonic()
            program.terminate()
            check_farewells(readers)
        code = program.wait()
        print(f"{name}: stopped after {time.monotonic() - began:.1f} s with {STREAMS} streams")  # noqa: T201
        assert code in (0, -signal.SIGTERM)


@pytest.mark.parametrize("name", RECYCLING)
def test_streams_end_when_a_worker_is_replaced(name: str, folder: Path, port: int) -> None:
    with start(RECYCLING[name], folder, port, streams=5):
        wait_until_it_listens(port)
        with open_streams(port, 5) as readers:
            for _ in range(3):
                with Reader(f"http://127.0.0.1:{port}", "/short") as reader:
                    reader.wait_for_end()
            check_farewells(readers)


def test_streams_end_when_uvicorn_reloads(folder: Path, port: int) -> None:
    with start("uvicorn app:app --port {port} --reload --reload-delay 0.05", folder, port):
        wait_until_it_listens(port)
        with open_streams(port, 5) as readers:
            # It compares the times of files, in seconds where the file system has no better.
            later = time.time() + 5
            os.utime(folder / "app.py", (later, later))
            check_farewells(readers)
        with open_streams(port, 1):
            pass


def test_a_server_that_goes_on_ends_nothing(folder: Path, port: int) -> None:
    with start(COMMANDS["uvicorn"], folder, port):
        wait_until_it_listens(port)
        with open_streams(port, 1) as [reader], selectors.DefaultSelector() as selector:
            reader.read_until(b":\n")
            selector.register(reader.socket, selectors.EVENT_READ)
            # Some looks of the watch; nothing has come and nothing has ended.
            assert selector.select(1.0) == []


class Stopped:
    """A stream that notes that it was stopped."""

    def __init__(self) -> None:
        self.retry: int | None = None
        self.stopped = asyncio.Event()

    def stop(self, retry: int) -> None:
        self.retry = retry
        self.stopped.set()


@pytest.fixture
def signals() -> Iterator[list[int]]:
    """The signals of this process, which a handler of the test's own notes."""
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    interrupt = signal.getsignal(signal.SIGINT)
    yield seen
    signal.signal(signal.SIGTERM, before)
    signal.signal(signal.SIGINT, interrupt)


def test_signals_stop_streams_where_there_is_no_listener_and_reach_the_handler_before(signals: list[int]) -> None:
    async def serve() -> int | None:
        stream, watch = Stopped(), stop_watch()
        watch.enter(stream)
        before = watch.is_stopping
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await stream.stopped.wait()
        assert (before, watch.is_stopping) == (False, True)
        watch.leave(stream)
        return stream.retry

    retry = asyncio.run(serve())
    assert retry is not None
    assert 0 <= retry <= 1000
    assert signals == [signal.SIGTERM]
    # Who handles it now outlives the loop.
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals == [signal.SIGTERM] * 2


LONE = """
import asyncio, os, signal, sys
from pricewire.server.transport.stop_watch import stop_watch

class Stream:
    def stop(self, retry):
        print("stopped", flush=True)

async def serve():
    stop_watch().enter(stream)
    if sys.argv[1] == "within":
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

stream = Stream()
asyncio.run(serve())
os.kill(os.getpid(), signal.SIGTERM)
print("alive")
"""


@pytest.mark.parametrize(("when", "said"), [("within", b"stopped\n"), ("after", b"")])
def test_a_process_that_nothing_stops_ends_by_its_signal_with_its_streams_before(when: str, said: bytes) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    process = subprocess.run([sys.executable, "-c", LONE, when], env=environment, capture_output=True, timeout=PATIENCE)
    assert (process.returncode, process.stdout) == (-signal.SIGTERM, said)
