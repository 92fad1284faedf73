"""The core of the trading page in Firefox and WebKit: a visit, play money, a contract, its settlement, and the statement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engines import Engine, Firefox, WebKit
from support.page_server import PageServer, open_page_server

OTHERS: dict[str, type[Firefox | WebKit]] = {"firefox": Firefox, "webkit": WebKit}


@pytest.fixture(scope="module", params=OTHERS)
def other(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = OTHERS[request.param]()
    yield engine
    engine.close()


ATTEMPTS = 5


@pytest.fixture
def page_server(tmp_path: Path) -> Iterator[PageServer]:
    with open_page_server(tmp_path / "trading.db") as page_server:
        yield page_server


def wait_for(engine: Engine, condition: str) -> None:
    """Wait until an expression is true in the page."""
    engine.evaluate(f"new Promise(done => {{ const look = () => ({condition}) ? done(true) : setTimeout(look, 50); look() }})")


def wait_for_text(engine: Engine, selector: str, text: str) -> None:
    """Wait until an element has a text."""
    wait_for(engine, f"document.querySelector({selector!r})?.textContent.includes({text!r})")


def press(engine: Engine, selector: str) -> None:
    """Press an element, once it is there."""
    wait_for(engine, f"document.querySelector({selector!r}) !== null")
    engine.evaluate(f"document.querySelector({selector!r}).click()")


def choose(engine: Engine, selector: str, option: str) -> None:
    """Choose an option of a list, as a user's choice is told to the page."""
    wait_for(engine, f"document.querySelector({selector!r}) !== null")
    engine.evaluate(
        f"(select => {{ select.value = {option!r}; select.dispatchEvent(new Event('change', {{ bubbles: true }})) }})"
        f"(document.querySelector({selector!r}))"
    )


def buy_rise(engine: Engine, page_server: PageServer) -> None:
    """Buy at a price of 1900; anew where a busy machine took so long that the price was out of date, and the purchase refused."""
    outcome = ""
    for _ in range(ATTEMPTS):
        page_server.move(1900)
        press(engine, "[data-variant=rise][aria-disabled=false]")
        wait_for(engine, "document.querySelector('.outcome')?.textContent.trim() > ''")
        outcome = engine.evaluate("document.querySelector('.outcome').textContent")
        if "Bought Rise for 10.00." in outcome:
            return
    raise AssertionError(outcome)


def test_a_contract_from_a_visit_to_the_statement(page_server: PageServer, other: Engine) -> None:
    other.open(page_server.url)
    wait_for_text(other, ".status", "Live")
    page_server.move(1905)
    wait_for_text(other, ".quote [data-price=price]", "1905.00")
    wait_for(other, "document.querySelector('.chart canvas') !== null")
    press(other, ".try .primary")
    wait_for_text(other, ".balance", "10,000.00 USD")

    choose(other, ".ticket select", "ticks")
    press(other, ".chips[aria-label=Durations] button")  # one of them
    buy_rise(other, page_server)
    wait_for_text(other, ".balance", "9,990.00 USD")
    page_server.move(1900)
    page_server.move(1902)
    wait_for_text(other, ".announcements", "Won +")
    wait_for(other, "Number(document.querySelector('.balance .price').textContent.replace(/[^0-9.]/g, '')) > 10000")

    press(other, ".positions .segments label:last-of-type input")
    wait_for_text(other, ".position.entry[data-kind=payout]", "Payout")
    wait_for_text(other, ".position.entry[data-kind=purchase] .profit", "−10.00")
    # In the language of the user, loaded now.
    press(other, ".bar button[aria-label=Settings]")
    choose(other, "dialog select", "de")
    wait_for_text(other, ".position.entry[data-kind=payout]", "Auszahlung")
    wait_for_text(other, ".position.entry[data-kind=purchase] .profit", "−10,00")
