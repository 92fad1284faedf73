"""A server of bytes for pages: the library's files, a page that has imported it, and event streams that do whatever a test scripts."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

LIBRARY = Path(__file__).parents[2] / "web/dist"

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Stage</title>
<link rel="icon" href="data:,">
<script type="module">
  import * as pricewire from '/library/pricewire.js'
  import { xhrFetch } from '/library/react_native.js'
  Object.assign(window, pricewire, { xhrFetch })
  window.XhrEventSource = class extends pricewire.CustomEventSource {
    constructor(url, init) { super(url, { ...init, fetch: xhrFetch }) }
  }
</script>
"""

CHUNK = b"%x\r\n%b\r\n"
"""A piece of a body. Source: RFC 9112, section 7.1."""

HELD_OPEN = 30.0
"""How long a connection is held open at most, in seconds: the browser closes it before, when its page goes."""


@dataclass(frozen=True)
class Answer:
    """
    What one request gets.

    Attributes:
        body: the first and further pieces of it, each sent by itself.
        status: the status.
        headers: all headers but those of the framing.
        end: `end` as HTTP has it; `cut` in the middle, when the page asks for `/release` before the case's path; `hold` open; or `flood`
            with the last piece again and again, until the page hangs up.
    """

    body: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    end: Literal["end", "cut", "hold", "flood"] = "end"


class ScriptServer:
    """
    Serves the page at `/`, the library, and at `/case/<any>/<name>` the answers of a case, one after another and the last again and again.

    Attributes:
        url: its address.
        requests: the headers of the requests for each path of a case, in their order, with small letters.
        hung_up: paths of cases whose flood has ended, as the page has hung up.
    """

    def __init__(self, cases: Mapping[str, Sequence[Answer]], page: str = PAGE, files: Path = LIBRARY) -> None:
        self.requests: dict[str, list[dict[str, str]]] = {}
        self.hung_up = queue.Queue[str]()
        self.cases = cases
        self._lock = threading.Lock()
        # A page loses what it has not read yet where its connection breaks off.
        self._released: dict[str, threading.Event] = {}
        self._closing = threading.Event()
        script_server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script_server._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._page, self._files = page, files
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> ScriptServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        if path.startswith("/release/"):
            with self._lock:
                self._released[path.removeprefix("/release")].set()
        if path.startswith("/case/"):
            with contextlib.suppress(ConnectionError):
                self._play(handler, path)
            return
        if path == "/":
            content, kind = self._page.encode(), "text/html"
        else:
            file = self._files / Path(path).name
            content, kind = (file.read_bytes(), "text/javascript") if file.is_file() else (b"", "text/plain")
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def _play(self, handler: BaseHTTPRequestHandler, path: str) -> None:
        with self._lock:
            requests = self.requests.setdefault(path, [])
            answers = self.cases[path.rpartition("/")[2]]
            answer = answers[min(len(requests), len(answers) - 1)]
            requests.append({name.lower(): value for name, value in handler.headers.items()})
            # A new one for each answer: another engine may have played the same case.
            released = self._released[path] = threading.Event()
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.close_connection = True
        if answer.status == 204:
            handler.end_headers()
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for piece in answer.body:
            handler.wfile.write(CHUNK % (len(piece), piece))
            handler.wfile.flush()
        if answer.end == "flood":
            self._flood(handler, CHUNK % (len(answer.body[-1]), answer.body[-1]))
            self.hung_up.put(path)
        elif answer.end == "hold":
            self._closing.wait(HELD_OPEN)
        elif answer.end == "cut":
            released.wait(HELD_OPEN)
        elif answer.end == "end":
            handler.wfile.write(b"0\r\n\r\n")

    def _flood(self, handler: BaseHTTPRequestHandler, chunk: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            while not self._closing.is_set():
                handler.wfile.write(chunk)
