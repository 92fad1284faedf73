"""The page for operators, as built, in Chromium: who gets in, what is live, and the drain, which asks once more."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from pricewire.server.auth.tokens import ADMIN, READ, TRADE
from pricewire.store.accounts import Account
from support.app_server import TOKENS, bearer, purchase
from support.page_server import PageServer, open_page_server


def token(account: Account, *scopes: str) -> str:
    return TOKENS.issue(account.uuid, frozenset(scopes))


def enter(page_server: PageServer, page: Page, text: str) -> None:
    """Open the page, and give it a token."""
    page.goto(f"{page_server.serving.url}/admin")
    page.get_by_label("Token").fill(text)
    page.get_by_role("button", name="Show the server").click()


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_an_operator_sees_the_server_live(page_server: PageServer, page: Page) -> None:
    account = page_server.account()
    page_server.move(1900)
    bought = httpx2.post(
        f"{page_server.serving.url}/v1/trading/contracts/buy",
        headers=bearer(account),
        json=purchase("operators-see-it", instrument_id="R_100", stake="10"),
    )
    assert bought.status_code == 200, bought.text
    enter(page_server, page, f"Bearer {token(account, ADMIN)} ")
    expect(page.get_by_role("status")).to_have_text("Live")
    expect(card(page, "Streams")).to_contain_text(re.compile(r"of protected_sse\s*1"))
    expect(card(page, "Exposure by instrument").get_by_role("row", name="R_100")).to_contain_text("5,000 USD")
    expect(card(page, "Feeds")).to_contain_text("PageFeed (R_100)")
    expect(card(page, "Topics by readers").get_by_role("row", name="admin")).to_contain_text("1")
    expect(card(page, "Accounts").get_by_role("row", name="USD")).to_contain_text("0.00 USD")
    # A request that is refused shows within a second or two.
    refusals = card(page, "Refusals")
    expect(refusals).to_contain_text("0 since this page was opened")
    assert httpx2.get(f"{page_server.serving.url}/sse?topic=ticks:").status_code == 400
    expect(refusals).to_contain_text("1 since this page was opened")
    # The tab keeps the token; who leaves takes it along.
    page.reload()
    expect(page.get_by_role("status")).to_have_text("Live")
    page.get_by_role("button", name="Leave").click()
    page.reload()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.evaluate("JSON.stringify(Object.entries({ ...localStorage, ...sessionStorage }))") == "[]"


@pytest.mark.parametrize("scopes", [(READ, TRADE), ()], ids=["trader", "nothing"])
def test_a_token_that_is_not_an_operators_shows_nothing(page_server: PageServer, page: Page, scopes: tuple[str, ...]) -> None:
    enter(page_server, page, token(page_server.account(), *scopes))
    expect(page.get_by_text("The token is not for this: it lacks the scope").first).to_be_visible()
    expect(page.locator(".cards, .bar")).to_have_count(0)
    # Nor does the next visit try it again.
    page.reload()
    expect(page.get_by_label("Token")).to_have_value("")


def test_a_token_that_ends_ends_what_is_shown(page_server: PageServer, page: Page) -> None:
    operator = token(page_server.account(), ADMIN)
    enter(page_server, page, operator)
    expect(card(page, "Streams")).to_be_visible()
    assert httpx2.post(f"{page_server.serving.url}/v1/logout", headers=bearer(operator)).status_code == 200
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.locator(".cards")).to_have_count(0)


def test_a_server_is_drained_after_it_was_asked_once_more(tmp_path: Path, page: Page) -> None:
    with open_page_server(tmp_path / "trading.db") as page_server:
        enter(page_server, page, token(page_server.account(), ADMIN))
        drains: list[str] = []
        page.on("request", lambda request: drains.append(request.url) if "/drain" in request.url else None)
        page.get_by_role("button", name="Drain …").click()
        dialog = page.get_by_role("dialog", name="Stop this server?")
        expect(dialog).to_contain_text("Its one stream ends")
        page.keyboard.press("Enter")
        expect(dialog).to_have_count(0)
        assert drains == [], "what has the focus first keeps the server running"
        page.get_by_role("button", name="Drain …").click()
        dialog.get_by_role("button", name="Drain and stop").click()
        expect(page.get_by_role("status")).to_have_text("Reconnecting")
        expect(page.locator(".cards")).to_have_attribute("data-old", "true")
        assert len(drains) == 1


def test_it_runs_under_its_policy_and_in_no_frame(page_server: PageServer, page: Page) -> None:
    answer = httpx2.get(f"{page_server.serving.url}/admin")
    policy = answer.headers["content-security-policy"]
    # Neither the frame of the trading page nor what that one loads early.
    assert '<div id="root"></div>' in answer.text
    assert "preload" not in answer.text
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    enter(page_server, page, token(page_server.account(), ADMIN))
    expect(card(page, "Loop delay")).to_contain_text("ms")
    assert said == []


def test_it_fits_a_phone(page_server: PageServer, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    enter(page_server, page, token(page_server.account(), ADMIN))
    expect(card(page, "Topics by readers")).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
