"""
The three browser engines, each with the same few methods: Chromium, Firefox and WebKit as Debian has them, without a window.

Chromium is driven by Playwright; the other two by the protocols that they speak themselves, with the commands of WebDriver.

Source: W3C WebDriver; for Firefox, "Marionette Protocol" of the Firefox source docs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest
from playwright.sync_api import sync_playwright

PATIENCE = 60.0
"""How long a page may take for anything, in seconds; the machines that run this are slow."""

TIMEOUTS = {"script": round(2 * PATIENCE * 1000)}
"""How long WebDriver waits for a script, in milliseconds: by itself only half of `PATIENCE`, and the page says better what did not come."""

EVALUATED = """
Promise.race([
  (async () => (%s))(),
  new Promise((_, reject) => setTimeout(() => reject(new Error('nothing came within %d s')), %d)),
])"""

SCRIPT = "const done = arguments[0]; %s.then(value => done({ value }), error => done({ error: String(error) }))"


class Engine(Protocol):
    """A browser with one page."""

    def open(self, url: str) -> None:
        """Go to an address and wait until its page is loaded."""

    def evaluate(self, js: str) -> Any:
        """Return the value of an expression in the page, as JSON has it; that of a promise is awaited. What it throws is raised."""

    def close(self) -> None:
        """End the browser."""


class Chromium:
    """Chromium by Playwright, whose event loop runs as long as the browser: tests are plain functions."""

    def __init__(self) -> None:
        path = find("chromium")
        with ExitStack() as stack:
            browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
            stack.callback(browser.close)
            self._page = browser.new_page()
            self._page.set_default_timeout(PATIENCE * 1000)
            self._stack = stack.pop_all()

    def open(self, url: str) -> None:
        self._page.goto(url)

    def evaluate(self, js: str) -> Any:
        return self._page.evaluate(bounded(js))

    def close(self) -> None:
        self._stack.close()


class Firefox:
    """Firefox by Marionette: messages of JSON, each with its length before it, over TCP."""

    def __init__(self) -> None:
        path = find("firefox-esr")
        self._messages = 0
        with ExitStack() as stack:
            profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            port = free_port()
            Path(profile, "user.js").write_text(f'user_pref("marionette.port", {port});')
            browser = start(stack, [path, "--headless", "--marionette", "--no-remote", "--profile", profile])
            self._socket = stack.enter_context(connect(port, browser))
            self._answers = stack.enter_context(self._socket.makefile("rb"))
            # It greets before it is asked.
            self._receive()
            self._command("WebDriver:NewSession", capabilities={})
            self._command("WebDriver:SetTimeouts", **TIMEOUTS)
            self._stack = stack.pop_all()

    def open(self, url: str) -> None:
        self._command("WebDriver:Navigate", url=url)

    def evaluate(self, js: str) -> Any:
        return value_of(self._command("WebDriver:ExecuteAsyncScript", script=SCRIPT % bounded(js), args=[])["value"])

    def close(self) -> None:
        self._stack.close()

    def _command(self, name: str, **parameters: Any) -> Any:
        self._messages += 1
        message = json.dumps([0, self._messages, name, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._receive()
        if error is not None:
            raise RuntimeError(f"{name}: {error['message']}")
        return result

    def _receive(self) -> Any:
        length = b""
        while (digit := self._answers.read(1)) != b":":
            if not digit:
                raise EOFError("Firefox has ended")
            length += digit
        return json.loads(self._answers.read(int(length)))


class WebKit:
    """WebKitGTK's small browser by its WebDriver, on a screen that is not there."""

    def __init__(self) -> None:
        driver, screen = find("WebKitWebDriver"), find("Xvfb")
        browsers = sorted(Path("/usr").glob("lib*/**/webkit2gtk-4.*/MiniBrowser"))
        if not browsers:
            pytest.fail("WebKit's MiniBrowser is missing; `make test` installs it where it can")
        with ExitStack() as stack:
            display, told = os.pipe()
            with os.fdopen(display) as answer:
                start(stack, [screen, "-displayfd", str(told), "-nolisten", "tcp"], keep=(told,))
                os.close(told)
                number = answer.readline().strip()
            # Its sandbox asks for rights that a container does not have.
            environment = {"DISPLAY": f":{number}", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
            port = free_port()
            connect(port, start(stack, [driver, f"--port={port}"], environment=environment)).close()
            self._http = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=3 * PATIENCE, trust_env=False))
            options = {"webkitgtk:browserOptions": {"binary": str(browsers[-1]), "args": ["--automation"]}}
            session = self._command("/session", capabilities={"alwaysMatch": {**options, "timeouts": TIMEOUTS}})
            self._session = f"/session/{session['sessionId']}"
            stack.callback(self._http.delete, self._session)
            self._stack = stack.pop_all()

    def open(self, url: str) -> None:
        self._command(f"{self._session}/url", url=url)
        # Its driver now and then comes back before the scripts have run.
        self.evaluate("new Promise(done => document.readyState === 'complete' ? done(true) : addEventListener('load', () => done(true)))")

    def evaluate(self, js: str) -> Any:
        return value_of(self._command(f"{self._session}/execute/async", script=SCRIPT % bounded(js), args=[]))

    def close(self) -> None:
        self._stack.close()

    def _command(self, path: str, **parameters: Any) -> Any:
        value = self._http.post(path, json=parameters).json()["value"]
        if isinstance(value, dict) and "error" in value and "stacktrace" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value['message']}")
        return value


def bounded(js: str) -> str:
    """Return an expression as a promise that does not wait for ever."""
    return EVALUATED % (js, PATIENCE, PATIENCE * 1000)


def value_of(result: dict[str, Any]) -> Any:
    if "error" in result:
        raise RuntimeError(result["error"])
    return result.get("value")


def find(program: str) -> str:
    """Return where a program is, or the one that stands for it in the environment, as in `FIREFOX=/opt/firefox/firefox`."""
    path = shutil.which(os.environ.get(program.partition("-")[0].upper(), program))
    if path is None:
        pytest.fail(f"{program} is missing; `make test` installs it where it can")
    return path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def start(
    stack: ExitStack, command: list[str], *, environment: dict[str, str] | None = None, keep: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """
    Start a program, with more in its environment; when the stack is left, it ends with all that it started. It inherits the files `keep`.
    """
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, pass_fds=keep, start_new_session=True)

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    stack.callback(end)
    return process


def connect(port: int, process: subprocess.Popen[bytes]) -> socket.socket:
    """Connect to a program that has just been started, once it listens."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=3 * PATIENCE)
        except OSError:
            assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{process.args!r} does not listen"
            time.sleep(0.02)
