"""
The browser library: its decoder beside eventsource-parser and fetch-event-source, in Node and in Chromium; and pages under load.

Each decoder decodes the same 100,000 events of some 150 bytes to text; they take turns, and the best of their rounds counts,
as other work on the machine can only make a round slower.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.machine import Placement
from bench.page import Load, Measured, measure_pages
from bench.report import Progress, Report, Table, verdict

WEB = Path(__file__).parents[1] / "web"
OWN = "pricewire"

MEASURE = """async ([script, events, rounds]) => {
  const address = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }))
  const { measure } = await import(address)
  return measure(events, rounds)
}"""

FRAMES = 55.0
"""How many frames a second are expected of a page: of 60, but for the odd one that comes late."""

HALF_A_CORE = 0.5
"""What a page's process is to stay below, in cores."""

Speeds = dict[str, dict[str, int]]
"""Events per second of each decoder, by the size of the chunks."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        events: how many are decoded in a round.
        rounds: how often each decoder has its turn.
        seconds: how long each page is measured.
        judge: whether to say which expectations were met.
    """

    events: int = 100_000
    rounds: int = 15
    seconds: float = 10.0
    judge: bool = True


QUICK = Settings(events=1000, rounds=3, seconds=0.2, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    report = Report("browser", [], {"events": settings.events, "rounds": settings.rounds}, [])
    chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    with tempfile.TemporaryDirectory() as folder:
        script = bundle(Path(folder))
        progress("Node")
        measured = {"Node": in_node(script, settings)}
        if chromium is None:
            report.notes.append("Chromium is left out: it is not installed")
        else:
            progress("Chromium")
            measured["Chromium"] = in_chromium(script, settings, chromium)
    for engine, speeds in measured.items():
        decoders = list(next(iter(speeds.values())))
        table = Table(f"Decoding in {engine}: events per second", ["chunks of", *decoders, "beside the faster"])
        for size, row in speeds.items():
            share = row[OWN] / max(speed for decoder, speed in row.items() if decoder != OWN)
            table.rows.append([size, *(f"{row[decoder]:,}" for decoder in decoders), f"{share:.2f}"])
            if settings.judge:
                reached = verdict(1 / share, at_most=1.0)
                report.notes.append(f"{engine}, chunks of {size}: time beside that of the faster of the others, at most 1: {reached}")
        report.tables.append(table)
        report.figures[engine] = speeds
    if chromium is not None:
        pages = measure_pages(placement, settings.seconds, chromium, progress)
        report.tables.append(tabulate(pages))
        report.figures["pages"] = {load.label: asdict(measured) for load, measured in pages.items()}
        if settings.judge:
            report.notes += [judgement for load, measured in pages.items() for judgement in judge(load, measured)]
    return report


def tabulate(pages: dict[Load, Measured]) -> Table:
    """Show what pages did."""
    columns = ["page", "prices/s", "renders/s", "frames/s", "long tasks", "its cores", "Chromium's", "the server's"]
    table = Table("Pages in Chromium, without a graphics card", columns)
    for load, measured in pages.items():
        counted = ["-" if each is None else f"{each:,.0f}" for each in (measured.prices, measured.renders)]
        cores = [f"{each:.2f}" for each in (measured.page_cpu, measured.browser_cpu, measured.server_cpu)]
        table.rows.append([load.label, *counted, f"{measured.frames:.0f}", str(measured.long_tasks), *cores])
    return table


def judge(load: Load, measured: Measured) -> list[str]:
    """Say whether a page did what is expected of it."""
    frames = f"{measured.frames:.0f}, {'reached' if measured.frames >= FRAMES else 'MISSED'}"
    return [
        f"{load.label}: frames per second, at least {FRAMES:.0f}: {frames}",
        f"{load.label}: cores of the page, at most {HALF_A_CORE}: {verdict(measured.page_cpu, at_most=HALF_A_CORE)}",
    ]


def bundle(folder: Path) -> Path:
    """Build the measurement with all that it imports, and return the script."""
    library = {"entry": str(WEB / "bench/decoders.ts"), "formats": ["es"], "fileName": "decoders"}
    build = {"outDir": str(folder), "target": "es2022", "lib": library}
    config = folder / "vite.config.mjs"
    config.write_text(f"export default {json.dumps({'configFile': False, 'logLevel': 'error', 'build': build})}")
    subprocess.run([WEB / "node_modules/.bin/vite", "build", "--config", config], cwd=WEB, check=True)
    script = folder / "decoders.mjs"
    (folder / "decoders.js").rename(script)
    return script


def in_node(script: Path, settings: Settings) -> Speeds:
    """Measure in Node."""
    code = (
        f"import {{ measure }} from {json.dumps(str(script))}; console.log(JSON.stringify(measure({settings.events}, {settings.rounds})))"
    )
    done = subprocess.run(["node", "--input-type=module", "--eval", code], check=True, capture_output=True, text=True)
    speeds: Speeds = json.loads(done.stdout)
    return speeds


def in_chromium(script: Path, settings: Settings, chromium: str) -> Speeds:
    """Measure in Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        speeds: Speeds = page.evaluate(MEASURE, [script.read_text(), settings.events, settings.rounds])
        browser.close()
    return speeds
