"""What the tests of the trading page do on it, and on the server behind it."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Locator, Page, TimeoutError, expect

from pricewire.protocol.messages import Instrument
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.services import TradingSetup
from pricewire.store.accounts import Account
from support.app_server import KEY, PASSWORD, RULES, add_account
from support.feeds import HandFeed
from support.serving import Serving

PATIENCE = 10_000
"""How long the page may take for anything, in milliseconds; the machines that run this are slow."""

expect.set_options(timeout=PATIENCE)

_numbers = itertools.count()


PLACE = "#R_100/1m"
"""Where in the page the instrument's chart is."""

INSTRUMENT = Instrument(id="R_100", display_name="Volatility 100 Index", categories=["Synthetic Index"], pip_size=2)


class PageFeed(HandFeed):
    """A feed whose volatility is known: so a contract has a price from the first tick on."""

    @property
    def volatilities(self) -> dict[str, float]:
        """That of the volatility indices with 100 %."""
        return {instrument.id: 1.0 for instrument in self.instruments}


@dataclass
class PageServer:
    """A server where one instrument is traded at the prices that the test gives; its accounts are in the SQLite file `database`."""

    serving: Serving
    feed: HandFeed
    database: Path
    _newest: int = field(default=0)

    @property
    def url(self) -> str:
        """The page, with the instrument's chart."""
        return f"{self.serving.url}/{PLACE}"

    def move(self, price: float) -> None:
        """Bring the next price."""
        self._newest = max(self._newest + 1, int(time.time() * 1000))
        self.serving.call(self.feed.give, price - 0.05, price + 0.05, self._newest)

    def account(self, balance: str = "10000.00", currency: str = "USD") -> Account:
        """Open an account."""
        # In a thread, as Playwright has a loop running in this one.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(add_account, self.database, f"trader-{next(_numbers)}", balance, currency).result()


@contextlib.contextmanager
def open_page_server(
    database: Path, *, instrument: Instrument = INSTRUMENT, port: int = 0, heartbeat: float = 15.0
) -> Iterator[PageServer]:
    """
    Serve an instrument and trading, with a first price; operators can stop it.

    Accounts are in the SQLite file `database`, and `heartbeat` is in seconds.
    """
    feed = PageFeed(instrument)
    app = create_app(
        [feed],
        heartbeat=heartbeat,
        trading=TradingSetup(database, database.with_name("journal"), KEY, RULES, demo_account=True),
        limits=Limits(exposure_per_instrument={"USD": Decimal(5000)}),
        stop=lambda: serving.begin_to_stop(),
    )
    with Serving(app, port=port) as serving:
        page_server = PageServer(serving, feed, database)
        page_server.move(1900)
        yield page_server


def wait_for_state(page: Page, state: str) -> None:
    """Wait until the connection is in a state, `live` for instance."""
    page.wait_for_selector(f".status[data-state={state}]")


def log_in(page: Page, account: Account, password: str = PASSWORD) -> None:
    """Log in by the dialog, and wait for the balance."""
    send_login(page, account, password)
    expect(page.locator(".balance")).to_contain_text(re.compile(r"\d"))


def send_login(page: Page, account: Account, password: str = PASSWORD) -> None:
    """Fill the dialog and send it."""
    page.locator(".bar").get_by_role("button", name="Log in").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Account").fill(account.id)
    dialog.get_by_label("Password").fill(password)
    dialog.get_by_role("button", name="Log in").click()


def ask_for(page: Page, duration: int, unit: str) -> None:
    """Fill the duration into the ticket."""
    page.get_by_label("Duration unit").select_option(unit)
    page.get_by_label("Duration", exact=True).fill(str(duration))


def offer(page: Page, variant: str) -> Locator:
    """Return the button that buys a variant, once it can be pressed."""
    return page.locator(f"[data-variant={variant}][aria-disabled=false]")


def buy(page_server: PageServer, page: Page, variant: str) -> None:
    """
    Press the button that buys a variant, at a price that has just come: the server does not trade at an old one.

    On a busy machine it may be an old one by then; nothing was bought, and the button is pressed again.
    """
    for _ in range(10):
        page_server.move(1900)
        # Nothing is sent where nobody is logged in.
        is_purchase = page.expect_response(lambda response: "/contracts/buy" in response.url, timeout=3000)
        with contextlib.suppress(TimeoutError):
            with is_purchase as answer:
                offer(page, variant).click()
            if answer.value.status == 409 and answer.value.json()["error"]["code"] == "MARKET_CLOSED":
                continue
        return


def wait_for_entry(page_server: PageServer, page: Page, price: float) -> Locator:
    """Bring prices until the one contract is entered and can be sold; return the button that sells it."""
    button = page.locator(".sell button[aria-disabled=false]")
    for _ in range(PATIENCE // 500):
        page_server.move(price)
        with contextlib.suppress(TimeoutError):
            button.wait_for(timeout=500)
            return button
    raise AssertionError("the contract was not entered")


def amount(locator: Locator) -> Decimal:
    """Return the amount that stands in an element."""
    found = re.search(r"[−-]?[\d,]+\.\d+", locator.inner_text())
    assert found is not None, locator.inner_text()
    return Decimal(found[0].replace(",", "").replace("−", "-"))


def balance(page: Page) -> Locator:
    """Return the element with the balance."""
    return page.locator(".balance [data-price=balance]")


def positions(page: Page) -> Locator:
    """Return the contracts that are shown."""
    return page.locator("li.position")


def show_closed(page: Page) -> None:
    """Show the closed contracts."""
    page.get_by_role("radio", name="Closed").check(force=True)


def show_events(page: Page) -> None:
    """Open the drawer for developers, and wait until it listens: it is loaded where it is opened."""
    page.get_by_role("button", name="Show the live events").click()
    expect(page.get_by_role("complementary", name="For developers")).to_be_visible()
