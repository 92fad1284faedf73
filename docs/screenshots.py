"""
Takes the screenshots of `docs/images/` from the real page, in Chromium: `.venv/bin/python docs/screenshots.py`.

The prices are simulated with a fixed seed and three times the usual rate, so that some move while the picture is taken.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, async_playwright

from pricewire.market.simulated import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.run import make_server

IMAGES = Path(__file__).with_name("images")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

DESKTOP = (1440, 900)
PHONE = (390, 844)

LARGEST = 300 * 1024
"""The most that an image may take, in bytes: it is in the repository, and in the README that everybody loads."""

SHOWN = "R_100"
"""The instrument whose chart is shown."""


async def main() -> None:
    """Serve the page on a free port and take its pictures."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    app = create_app([SimulatedFeed(seed=7, rate=3)])
    server = make_server(app, on_started=started.set_result, host="127.0.0.1", port=0, log_level="warning")
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{await started}/"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, size in (("page", DESKTOP), ("phone", PHONE)):
            await take(browser, url, size, "light", IMAGES / f"{name}-light.png")
            await take(browser, url, size, "dark", IMAGES / f"{name}-dark.png")
        await browser.close()
    server.should_exit = True
    await serving


async def take(browser: Browser, url: str, size: tuple[int, int], scheme: Literal["light", "dark"], path: Path) -> None:
    """Take one picture, once the chart is drawn and prices have moved."""
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1)
    page = await context.new_page()
    await page.goto(f"{url}#{SHOWN}/1m")
    await page.wait_for_selector(".status[data-state=live]")
    await page.wait_for_selector("[data-instrument] [data-price=bid] >> text=/[0-9]/")
    await page.wait_for_selector(".chart canvas")
    # The legend has the newest candle's values; a new one says that the history is there and the stream goes on.
    legend = await page.inner_text(".legend")
    await page.wait_for_function("before => document.querySelector('.legend').textContent !== before", arg=legend)
    await page.wait_for_function("parseInt(document.querySelector('.rate').textContent) > 0")
    picture = await page.screenshot(path=path)
    await context.close()
    if len(picture) > LARGEST:
        raise ValueError(f"{path.name} has {len(picture)} bytes, more than {LARGEST}")
    print(f"{path}: {len(picture)} bytes")


if __name__ == "__main__":
    asyncio.run(main())
