"""
Takes the screenshots of `docs/images/` from the real page, in Chromium: `.venv/bin/python docs/screenshots.py`.

The prices are simulated with a fixed seed and three times the usual rate, so that some move while the picture is taken. The demo account is
logged in, and has open contracts.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import shared_secret
from pricewire.server.services import TradingSetup
from pricewire.server.transport.serve import make_server

IMAGES = Path(__file__).with_name("images")
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

DESKTOP = (1440, 900)
TABLET = (820, 1180)
PHONE = (390, 844)

LARGEST = 300 * 1024
"""The most that an image may take, in bytes: it is in the repository, and in the README that everybody loads."""

SHOWN = "R_100"
"""The instrument whose chart is shown."""

BOUGHT = (("rise_fall", "rise", 5, "minutes"), ("high_low", "lower", 15, "minutes"), ("touch", "no_touch", 2, "hours"))
"""The open contracts: product, variant, duration and its unit."""

Scheme = Literal["light", "dark"]


async def main() -> None:
    """Serve the page on a free port and take its pictures."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with tempfile.TemporaryDirectory() as folder:
        trading = TradingSetup(Path(folder) / "trading.db", Path(folder) / "journal", shared_secret(os.urandom(32)), demo_account=True)
        app = create_app([SimulatedFeed(seed=7, rate=3)], trading=trading)
        server = make_server(app, on_started=started.set_result, host="127.0.0.1", port=0, log_level="warning")
        serving = asyncio.create_task(server.serve())
        url = f"http://127.0.0.1:{await started}/#{SHOWN}/1m"
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            await trade(browser, url)
            await take(browser, url, DESKTOP, "light", "page-light")
            await take(browser, url, DESKTOP, "dark", "page-dark")
            await take(browser, url, TABLET, "light", "tablet-light")
            await take(browser, url, PHONE, "light", "phone-light")
            await take(browser, url, PHONE, "dark", "phone-dark")
            await take(browser, url, PHONE, "dark", "phone-positions", tabs=["Positions"])
            await browser.close()
        server.should_exit = True
        await serving


async def open_page(browser: Browser, url: str, size: tuple[int, int], scheme: Scheme) -> Page:
    """Open the page, and log in by the dialog, which has the demo account's name and password filled in."""
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1)
    page = await context.new_page()
    await page.goto(url)
    await page.locator(".bar").get_by_role("button", name="Log in").click()
    await page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    await page.wait_for_selector(".balance >> text=/[0-9]/")
    # Where the dialog was, the pointer would be in the chart, which shows the candle under it and no longer the newest.
    await page.mouse.move(0, 0)
    return page


async def trade(browser: Browser, url: str) -> None:
    """Buy the contracts."""
    page = await open_page(browser, url, DESKTOP, "light")
    for count, (product, variant, duration, unit) in enumerate(BOUGHT, start=1):
        await page.locator(".ticket .segments label").nth(["rise_fall", "high_low", "touch"].index(product)).click()
        await page.get_by_label("Duration unit").select_option(unit)
        await page.get_by_label("Duration", exact=True).fill(str(duration))
        await page.locator(f"[data-variant={variant}][aria-disabled=false]").click()
        await page.wait_for_function("count => document.querySelectorAll('li.position').length === count", arg=count)
    # Each is entered with the tick that follows.
    await page.wait_for_function("document.querySelectorAll('.sell [aria-disabled=false]').length === 3")
    await page.context.close()


async def take(browser: Browser, url: str, size: tuple[int, int], scheme: Scheme, name: str, tabs: Sequence[str] = ()) -> None:
    """Take one picture, once the chart is drawn and prices have moved, with the tabs pressed."""
    page = await open_page(browser, url, size, scheme)
    await page.wait_for_selector(".offer[aria-disabled=false]")
    await page.wait_for_selector(".chart canvas")
    # The legend has the newest candle's values; a new one says that the history is there and the stream goes on.
    legend = await page.inner_text(".legend")
    await page.wait_for_function("before => document.querySelector('.legend').textContent !== before", arg=legend)
    for tab in tabs:
        await page.get_by_role("navigation").get_by_role("button", name=tab).click()
    path = IMAGES / f"{name}.png"
    picture = await page.screenshot(path=path)
    await page.context.close()
    if len(picture) > LARGEST:
        raise ValueError(f"{path.name} has {len(picture)} bytes, more than {LARGEST}")
    print(f"{path}: {len(picture)} bytes")


if __name__ == "__main__":
    asyncio.run(main())
