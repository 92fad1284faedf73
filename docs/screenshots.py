"""
Takes the screenshots of `docs/images/` from the real page, in Chromium: `.venv/bin/python docs/screenshots.py`.

The prices are simulated with a fixed seed and three times the usual rate, so that some move while the picture is taken. The demo account is
logged in, and has open contracts. The states of the page, in `docs/images/states/`, are smaller files, as WebP.
"""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import shared_secret
from pricewire.server.auth.tokens import ADMIN, Tokens
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

STATES = IMAGES / "states"

QUALITY = 55
"""Of the pictures of states, from 0 to 100: enough to read every word."""


@dataclass(frozen=True)
class State:
    """
    A state of the page.

    Attributes:
        name: of its picture.
        reach: what brings the page there.
        size: of the window, in pixels.
        scheme: light or dark.
        is_logged_in: whether the demo account is.
        language: of the browser.
        has_forced_colours: whether the system has a few colours only.
        address: what follows the server's; the chart if empty.
    """

    name: str
    reach: Callable[[Page], Awaitable[object]]
    size: tuple[int, int] = DESKTOP
    scheme: Scheme = "light"
    is_logged_in: bool = True
    language: str = "en"
    has_forced_colours: bool = False
    address: str = ""


async def nothing(page: Page) -> None:
    """Leave the page as it is."""


def press(*names: str) -> Callable[[Page], Awaitable[object]]:
    """Return what presses buttons of these names, one after the other."""

    async def reach(page: Page) -> None:
        for name in names:
            await page.get_by_role("button", name=name).first.click()

    return reach


def choose(*names: str, after: Callable[[Page], Awaitable[object]] = nothing) -> Callable[[Page], Awaitable[object]]:
    """Return what chooses segments with these texts, after something else."""

    async def reach(page: Page) -> None:
        await after(page)
        for name in names:
            await page.locator(".segments label").filter(has_text=name).first.click()

    return reach


def part(name: str) -> Callable[[Page], Awaitable[object]]:
    """Return what brings a part of the page into a phone's view."""

    async def reach(page: Page) -> None:
        await page.locator(".tabs").get_by_role("button", name=name).click()
        if name == "Events":
            await page.locator(".inspector .events li").first.wait_for()

    return reach


async def sell(page: Page) -> None:
    """Sell the newest contract, and see its result announced."""
    await page.locator(".sell button[aria-disabled=false]").first.click()
    await page.locator("[data-announced]").first.wait_for()


async def refuse(page: Page) -> None:
    """Type a stake and a barrier that cannot be."""
    await choose("Touch/No Touch")(page)
    await page.get_by_label("Stake", exact=True).fill("0.5")
    await page.get_by_label("Barrier").fill("nowhere")


async def go_offline(page: Page) -> None:
    """Take the network away."""
    await page.context.set_offline(True)
    await page.locator(".trouble").wait_for()


async def measure(page: Page) -> None:
    """Draw the chart with bars and indicators."""
    await page.get_by_role("button", name="Bars").click()
    await page.get_by_text("Indicators").click()
    for name in ("Bollinger bands", "Relative strength index"):
        await page.get_by_label(name).check()


async def be_refused(page: Page) -> None:
    """Log in with a wrong password."""
    await page.locator(".bar").get_by_role("button", name="Log in").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Password").fill("wrong")
    await dialog.get_by_role("button", name="Log in").click()
    await dialog.locator(".problem", has_text="wrong").wait_for()


async def search(page: Page) -> None:
    """Look for what there is not."""
    await page.get_by_role("searchbox", name="Search instruments").fill("gold")


async def show_events(page: Page) -> None:
    """Open the drawer for developers, which is loaded then."""
    await page.get_by_role("button", name="Show the live events").click()
    await page.locator(".inspector .events li").first.wait_for()


ALL_STATES = [
    State("first-visit", nothing, is_logged_in=False),
    State("login-refused", be_refused, is_logged_in=False),
    State("no-match", search, is_logged_in=False),
    State("result", sell),
    State("closed", choose("Closed")),
    State("statement", choose("Statement")),
    State("not-valid", refuse),
    State("indicators", measure, scheme="dark"),
    State("settings", press("Settings")),
    State("developers-events", show_events),
    State("developers-code", choose("Code", after=show_events), scheme="dark"),
    State("offline", go_offline),
    State("german", nothing, language="de"),
    State("forced-colours", nothing, has_forced_colours=True),
    State("embed", nothing, size=(640, 460), is_logged_in=False, address=f"/embed/{SHOWN}"),
    State("phone-first-visit", part("Positions"), size=PHONE, is_logged_in=False),
    State("phone-markets", part("Markets"), size=PHONE),
    State("phone-events", part("Events"), size=PHONE, scheme="dark"),
]


async def main() -> None:
    """Serve the page on a free port and take its pictures."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with tempfile.TemporaryDirectory() as folder:
        key = shared_secret(os.urandom(32))
        trading = TradingSetup(Path(folder) / "trading.db", Path(folder) / "journal", key, demo_account=True)
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
            token = await log_in(browser, url)
            for state in ALL_STATES:
                await take_state(browser, url, state, token)
            await take_operators(browser, url, Tokens(key), token)
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


async def log_in(browser: Browser, url: str) -> str:
    """Return a token of the demo account: nobody may log in as often as there are states."""
    page = await open_page(browser, url, DESKTOP, "light")
    token: str = await page.evaluate("sessionStorage.getItem('pricewire-token')")
    await page.context.close()
    return token


async def take_state(browser: Browser, url: str, state: State, token: str) -> None:
    """Take the picture of a state of the page."""
    width, height = state.size
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=state.scheme,
        locale=state.language,
        forced_colors="active" if state.has_forced_colours else "none",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    if state.is_logged_in:
        await page.add_init_script(f"sessionStorage.setItem('pricewire-token', '{token}')")
    await page.goto(url.partition("/#")[0] + state.address if state.address else url)
    await page.wait_for_selector(".status[data-state=live]")
    if state.is_logged_in:
        await page.wait_for_selector(".balance >> text=/[0-9]/")
    await page.wait_for_function("/[0-9]/.test(document.querySelector('.legend')?.textContent)")
    if not state.address:
        await page.wait_for_selector(".offer[aria-disabled=false]")
    await state.reach(page)
    await page.mouse.move(0, 0)
    await save(page, state.name)
    await context.close()


async def take_operators(browser: Browser, url: str, tokens: Tokens, token: str) -> None:
    """Take the picture of the page for operators, which the demo account may see here."""
    page = await browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    await page.goto(url.partition("/#")[0] + "/admin")
    await page.get_by_label("Token").fill(tokens.issue((await tokens.check(token)).account, frozenset({ADMIN})))
    await page.get_by_role("button", name="Show the server").click()
    await page.wait_for_selector(".trend polyline", state="attached")
    await save(page, "operators")
    await page.context.close()


async def save(page: Page, name: str) -> None:
    """Write what the page shows as WebP, which Playwright's own pictures cannot be."""
    # What is drawn a frame later: dialogs, canvases.
    await page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    session = await page.context.new_cdp_session(page)
    taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path = STATES / f"{name}.webp"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(base64.b64decode(taken["data"]))
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
