"""Pages under load in Chromium: prices and renders per second, frames, long tasks, and CPU."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.machine import ROOT, Placement
from bench.process import cpu_seconds
from bench.report import Progress
from bench.servers.market import MarketServer, instrument_name

WEB = ROOT / "web"
TRADING_PAGE = ROOT / "src/pricewire/server/page/index.html"

WARM_UP_S = 2.0
"""How long a page runs before it is measured, in seconds, or as long as it is measured: until its code is compiled."""

WATCH = """
window.longTasks = []
new PerformanceObserver(list => longTasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask' })
window.frames = 0
const count = () => { frames += 1; requestAnimationFrame(count) }
requestAnimationFrame(count)
"""

LOOK = "({ at: performance.now(), frames, longTasks: longTasks.length, ...(window.counts ?? { prices: null, renders: null }) })"


@dataclass(frozen=True, slots=True)
class Load:
    """
    What a page is shown.

    Attributes:
        label: what the table calls it.
        instruments: how many there are.
        interval_ms: the time between two ticks of each, in milliseconds.
        is_trading_page: whether it is the trading page, and not one of hooks.
    """

    label: str
    instruments: int
    interval_ms: int
    is_trading_page: bool = False


TRADING = Load("the trading page, 200 instruments, 1,000 ticks/s", 200, 200, is_trading_page=True)

LOADS = [Load("one component, 1,000 ticks/s", 1, 1), Load("200 components, 1,000 ticks/s", 200, 200), TRADING]


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What a page did, per second but for the long tasks.

    Attributes:
        frames: how many were shown.
        long_tasks: how many tasks took longer than 50 ms, in the whole time.
        prices: how many came to the callbacks; None where the page does not count them.
        renders: how often components were rendered; None as before.
        page_cpu: of the page's own process, in cores.
        browser_cpu: of all of Chromium's, in cores.
        server_cpu: of the server, in cores.
    """

    frames: float
    long_tasks: int
    prices: float | None
    renders: float | None
    page_cpu: float
    browser_cpu: float
    server_cpu: float


def measure_pages(placement: Placement, seconds: float, chromium: str, progress: Progress) -> dict[Load, Measured]:
    """
    Measure each page for so many seconds.

    Args:
        placement: which core the server runs on.
        seconds: how long each page is measured.
        chromium: where the browser is.
        progress: told what is being done.
    """
    measured = {}
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = build_page(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for load in LOADS:
            if load.is_trading_page and not TRADING_PAGE.exists():
                continue
            progress(load.label)
            with MarketServer(placement, load.instruments, load.interval_ms) as server:
                measured[load] = measure(browser, server, load, html, seconds)
        browser.close()
    return measured


def build_page(folder: Path) -> str:
    """Build the page of hooks into a folder, and return it in one piece."""
    output = {"entryFileNames": "page.js", "codeSplitting": False}
    build = {"outDir": str(folder), "target": "es2022", "rolldownOptions": {"input": str(WEB / "bench/page.tsx"), "output": output}}
    config = folder / "vite.config.mjs"
    config.write_text(f"export default {json.dumps({'logLevel': 'error', 'build': build})}")
    subprocess.run([WEB / "node_modules/.bin/vite", "build", "--config", config], cwd=WEB, check=True)
    return f"<!doctype html><meta charset=utf-8><body><script type=module>{(folder / 'page.js').read_text()}</script>"


def measure(browser: Browser, server: MarketServer, load: Load, html: str, seconds: float) -> Measured:
    """Measure one page for so many seconds; `html` is that of hooks, which the trading page does not need."""
    page = _open(browser)
    # As a page of the server's own.
    page.route("**/hooks?*", lambda route: route.fulfill(body=html, content_type="text/html"))
    names = ",".join(instrument_name(number) for number in range(load.instruments))
    page.goto(f"{server.url}/" + ("" if load.is_trading_page else f"hooks?instruments={names}"))
    newest = instrument_name(load.instruments - 1)
    # Three digits are in an instrument's name too, but only a price has a point behind them.
    page.wait_for_function("name => new RegExp(`${name}[^]*?[0-9]{3}[.]`).test(document.body.textContent)", arg=newest)
    return _watch(browser, server, page, seconds)


def measure_blank(browser: Browser, server: MarketServer, seconds: float) -> Measured:
    """Measure a page with nothing in it for so many seconds: what the machine, the browser and the counting of frames leave at best."""
    page = _open(browser)
    page.goto("about:blank")
    return _watch(browser, server, page, seconds)


def _open(browser: Browser) -> Page:
    # A context of its own, and so a process of its own.
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(WATCH)
    return page


def _watch(browser: Browser, server: MarketServer, page: Page, seconds: float) -> Measured:
    session = browser.new_browser_cdp_session()
    page.wait_for_timeout(min(WARM_UP_S, seconds) * 1000)
    before, began = page.evaluate(LOOK), _cpu(session, server.pid)
    page.wait_for_timeout(seconds * 1000)
    after, ended = page.evaluate(LOOK), _cpu(session, server.pid)
    page.close()

    def rate(name: str) -> float | None:
        return None if after[name] is None else (after[name] - before[name]) / (after["at"] - before["at"]) * 1000

    took = ended["at"] - began["at"]
    cpu = {name: (ended[name] - began[name]) / took for name in ("page", "browser", "server")}
    frames = rate("frames")
    assert frames is not None, "it is always counted"
    long_tasks = after["longTasks"] - before["longTasks"]
    return Measured(frames, long_tasks, rate("prices"), rate("renders"), cpu["page"], cpu["browser"], cpu["server"])


def _cpu(session: CDPSession, server: int) -> dict[str, float]:
    """Return the CPU time that each has used so far, in seconds, and when."""
    processes: list[dict[str, Any]] = session.send("SystemInfo.getProcessInfo")["processInfo"]
    page = sum(each["cpuTime"] for each in processes if each["type"] == "renderer")
    return {
        "at": time.monotonic(),
        "page": page,
        "browser": sum(each["cpuTime"] for each in processes),
        "server": cpu_seconds(server),
    }
