"""
The trading page in Chromium: how soon it is there, what moves while it comes, what 200 instruments cost, and whether its memory grows.

A visit is one to a server with ten instruments, from another site, in an open window with nothing in its cache. Everything is live once
each price in view and the chart's newest candle are shown. The memory is what is left of JavaScript's heap after a collection. A blank
page in the same run tells what the machine and the browser leave at best: on a machine that does other work too, compare with that, and
the CPU time. The browser may use every core, as a visitor's does: to paint without a graphics card is the work of several threads.
"""

from __future__ import annotations

import os
import shutil
import statistics
from dataclasses import asdict, dataclass

from playwright.sync_api import Browser, sync_playwright

from bench.machine import Placement
from bench.page import TRADING, TRADING_PAGE, measure, measure_blank
from bench.report import Progress, Report, Table, verdict
from bench.servers.market import MarketServer

FIRST_PAINT_MS = 150.0
LIVE_MS = 1000.0
FRAMES = 60
CORES = 0.35
GROWTH_MB = 0.1
SHIFT = 0.0005
"""
The most that each is to be: the memory's growth in megabytes in an hour, and the shift 0 to three digits, as a figure
that grows by a digit moves by one.
"""

JUDGED_MINUTES = 30.0
"""How long memory has to be watched to tell how it goes on: at first the browser compiles and fills its caches, 0.5 MB in a minute."""

WATCH_VISIT = r"""
window.shifts = 0
new PerformanceObserver(list => {
  for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shifts += value
}).observe({ type: 'layout-shift', buffered: true })
window.live = new Promise(resolve => {
  const hasDigit = element => /\d/.test(element?.textContent ?? '')
  const look = () => {
    const prices = [...document.querySelectorAll('[data-in-view=true] [data-price=price]')]
    const isLive = document.querySelector('.status[data-state=live]') !== null && prices.length > 0
    if (isLive && prices.every(hasDigit) && hasDigit(document.querySelector('.legend'))) resolve(performance.now())
    else requestAnimationFrame(look)
  }
  look()
})
"""

PAINTED = """new Promise(resolve => {
  new PerformanceObserver(list => {
    for (const { name, startTime } of list.getEntries()) if (name === 'first-contentful-paint') resolve(startTime)
  }).observe({ type: 'paint', buffered: true })
})"""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        visits: how often the page is opened.
        seconds: how long it is watched with 200 instruments.
        heap_minutes: how long its memory is watched.
        judge: whether to say which expectations were met.
    """

    visits: int = 9
    seconds: float = 10.0
    heap_minutes: float = 1.0
    judge: bool = True


QUICK = Settings(visits=1, seconds=0.2, heap_minutes=0.02, judge=False)
"""Whether the pieces work; the figures say nothing."""

BLANK = "http://blank.test/"
"""A page of another site, which the browser makes up: so the visit gets a process of its own, as one from a list of links does."""

SETTLING_MS = 1000.0
"""How long a window is left alone before something is measured in it."""

LOOKS = 24
"""How often the memory is looked at."""


@dataclass(frozen=True, slots=True)
class Visit:
    """
    How the page came.

    Attributes:
        first_paint_ms: when the first of it was painted, in milliseconds after the visit began.
        live_ms: when everything was live, as before.
        shift: the cumulative layout shift until two seconds later: 0 where nothing has moved.
        main_thread_ms: the CPU time of the page's main thread until everything was live, in milliseconds.
        blank_ms: when the first of a page of one word was painted, in milliseconds after the visit to that began.
    """

    first_paint_ms: float
    live_ms: float
    shift: float
    main_thread_ms: float
    blank_ms: float


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    report = Report("page", [], {}, [])
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if chromium is None or not TRADING_PAGE.exists():
        report.notes.append("left out: Chromium is not installed, or the page is not built")
        return report
    with placement.on_all_cores(), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        with MarketServer(placement, 10, 1000) as server:
            progress("visits")
            visits = [_visit(browser, server.url) for _ in range(settings.visits)]
            progress("memory")
            heap = _watch_heap(browser, server.url, settings.heap_minutes)
        with MarketServer(placement, TRADING.instruments, TRADING.interval_ms) as server:
            progress(TRADING.label)
            loaded = measure(browser, server, TRADING, "", settings.seconds)
            blank = measure_blank(browser, server, settings.seconds)
        browser.close()
    paint, live = (statistics.median(times) for times in ([v.first_paint_ms for v in visits], [v.live_ms for v in visits]))
    blank_paint = statistics.median(each.blank_ms for each in visits)
    main_thread = statistics.median(each.main_thread_ms for each in visits)
    shift = max(each.shift for each in visits)
    is_watched = settings.heap_minutes >= JUDGED_MINUTES
    growth = growth_per_hour(heap, settings.heap_minutes)
    table = Table("The trading page in Chromium, without a graphics card", ["", "measured", "a blank page"])
    table.rows = [
        ["first paint, median", f"{paint:.0f} ms", f"{blank_paint:.0f} ms"],
        ["everything live, median", f"{live:.0f} ms", "-"],
        ["CPU of the main thread until then, median", f"{main_thread:.0f} ms", "-"],
        ["layout shift, worst", f"{shift:.4f}", "-"],
        ["200 instruments, 1,000 ticks/s: frames a second", f"{loaded.frames:.0f}", f"{blank.frames:.0f}"],
        ["the same: tasks above 50 ms", str(loaded.long_tasks), str(blank.long_tasks)],
        ["the same: cores of the page", f"{loaded.page_cpu:.2f}", f"{blank.page_cpu:.2f}"],
        ["the same: cores of all of Chromium", f"{loaded.browser_cpu:.2f}", f"{blank.browser_cpu:.2f}"],
        ["memory, first and last", f"{heap[0]:.2f}, {heap[-1]:.2f} MB", "-"],
        ["memory, growth in an hour", f"{growth:+.2f} MB" if is_watched else f"needs --minutes {JUDGED_MINUTES:.0f}", "-"],
    ]
    report.tables = [table]
    report.figures = {
        "visits": [asdict(each) for each in visits],
        "loaded": asdict(loaded),
        "blank": asdict(blank),
        "heap_mb": heap,
        "heap_minutes": settings.heap_minutes,
        "heap_growth_mb_per_hour": growth if is_watched else None,
    }
    if settings.judge:
        report.notes = [
            f"first paint, in ms, at most {FIRST_PAINT_MS:.0f}: {verdict(paint, FIRST_PAINT_MS)}",
            f"everything live, in ms, at most {LIVE_MS:.0f}: {verdict(live, LIVE_MS)}",
            f"layout shift, none: {verdict(shift, SHIFT)}",
            f"long tasks with 200 instruments, none: {verdict(loaded.long_tasks, 0.0)}",
            f"frames left out of {FRAMES} a second, at most 1: {verdict(FRAMES - loaded.frames, 1.0)}",
            f"cores of the page, at most {CORES}: {verdict(loaded.page_cpu, CORES)}",
        ]
        if is_watched:
            report.notes.append(f"growth of the memory in an hour, in MB, at most {GROWTH_MB}: {verdict(growth, GROWTH_MB)}")
    return report


def growth_per_hour(heap: list[float], minutes: float) -> float:
    """
    Return by how much memory grows in an hour: the slope of the line that fits its second half best, once everything has been compiled.

    Args:
        heap: what was used at looks in equal distances, in megabytes.
        minutes: from the first to the last.
    """
    half = heap[len(heap) // 2 :]
    step = minutes / (len(heap) - 1)
    return 60 * statistics.linear_regression([step * number for number in range(len(half))], half).slope


def _visit(browser: Browser, url: str) -> Visit:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    # The window starts scripts of its own, which would take the cores from the page's.
    page.wait_for_timeout(SETTLING_MS)
    page.route(BLANK, lambda route: route.fulfill(body="<!doctype html>Blank", content_type="text/html"))
    page.goto(BLANK)
    blank: float = page.evaluate(PAINTED)
    page.wait_for_timeout(SETTLING_MS)
    page.add_init_script(WATCH_VISIT)
    page.goto(url)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    live: float = page.evaluate("live")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    first_paint: float = page.evaluate(PAINTED)
    page.wait_for_timeout(2000)
    shift: float = page.evaluate("shifts")
    page.context.close()
    return Visit(first_paint, live, shift, 1000 * metrics["ThreadTime"], blank)


def _watch_heap(browser: Browser, url: str, minutes: float) -> list[float]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    session = page.context.new_cdp_session(page)
    heap = []
    for _ in range(LOOKS + 1):
        page.wait_for_timeout(60_000 * minutes / LOOKS)
        session.send("HeapProfiler.collectGarbage")
        heap.append(session.send("Runtime.getHeapUsage")["usedSize"] / 1e6)
    page.context.close()
    return heap
