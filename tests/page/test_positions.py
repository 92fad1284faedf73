"""The open contracts on the page, as built, in Chromium, against a real server: what moves, what stays, and what is said of a result."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from support.page_server import PATIENCE, PageServer, ask_for, balance, buy, log_in, positions, wait_for_entry, wait_for_state


def buy_two(page_server: PageServer, page: Page) -> Locator:
    """Log in, buy two contracts of five minutes, and return the buttons that sell them."""
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    for variant, name in (("rise", "Rise"), ("fall", "Fall")):
        buy(page_server, page, variant)
        expect(page.get_by_text(f"Bought {name}")).to_be_visible()
    expect(positions(page)).to_have_count(2)
    page_server.move(1900)
    buttons = positions(page).get_by_role("button", name="Sell")
    expect(positions(page).locator(".sell [aria-disabled=false]")).to_have_count(2)
    return buttons


def test_two_clicks_in_the_same_place_sell_one_contract(page_server: PageServer, page: Page) -> None:
    buttons = buy_two(page_server, page)
    sold: list[str] = []
    page.on("request", lambda request: sold.append(request.url) if "/contracts/sell" in request.url else None)
    box = buttons.first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x, y)
    row = positions(page).first
    expect(row).to_contain_text(re.compile(r"Sold [+−]"))
    # In the column of the time that is left stands the exit now, and says so.
    expect(row.locator(".exit .caption")).to_have_text("Exit")
    expect(row.locator(".exit .caption")).to_have_css("clip-path", "none")
    page.mouse.click(x, y)
    expect(positions(page)).to_have_count(2)
    assert len(sold) == 1
    # Once the pointer has been elsewhere for a while, the row goes.
    page.mouse.move(0, 0)
    expect(positions(page)).to_have_count(1)
    assert len(sold) == 1


def test_the_keyboard_stays_where_it_was_after_a_sale(page_server: PageServer, page: Page) -> None:
    buttons = buy_two(page_server, page)
    page.keyboard.press("Tab")
    buttons.first.focus()
    page.keyboard.press("Enter")
    expect(positions(page).first).to_contain_text(re.compile(r"Sold [+−]"))
    assert page.evaluate("document.activeElement.innerText").startswith("Sold")


def test_a_sale_that_is_refused_does_not_move_the_columns(page_server: PageServer, page: Page) -> None:
    buttons = buy_two(page_server, page)

    def refuse(route: Route) -> None:
        route.fulfill(status=400, json={"error": {"code": "CONTRACT_NOT_SELLABLE", "message": "it ends too soon"}})

    page.route("**/contracts/sell?*", refuse)
    column = positions(page).first.locator(".profit")
    before = column.bounding_box()
    buttons.first.click()
    expect(positions(page).first.get_by_role("alert")).to_contain_text("This contract can no longer be sold")
    after = column.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"], after["width"]) == (before["x"], before["width"])


def test_nothing_is_sold_at_a_price_that_is_out_of_date(page_server: PageServer, page: Page) -> None:
    buttons = buy_two(page_server, page)
    page.context.set_offline(True)
    expect(page.locator(".trouble")).to_be_visible()
    expect(positions(page).locator(".sell [aria-disabled=true]")).to_have_count(2)
    expect(buttons.first).to_have_attribute("title", "The price is out of date")
    color = "element => getComputedStyle(element).color"
    muted = page.locator(".quote dt").first.evaluate(color)
    assert positions(page).first.locator(".profit").evaluate(color) == muted


def test_a_result_is_announced(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    expect(page.locator(".today")).to_contain_text("0")
    ask_for(page, 1, "ticks")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    page_server.move(1900)
    page_server.move(1901)
    announced = page.get_by_role("log", name="Results").get_by_role("listitem")
    expect(announced).to_contain_text(re.compile(r"Won \+[\d.]+ USD"))
    expect(announced).to_contain_text("Rise · Volatility 100 Index")
    # What was said of the purchase goes with its contract.
    expect(page.get_by_text("Bought Rise")).to_have_count(0)
    expect(page.locator(".today")).to_contain_text(re.compile(r"\+\d"))
    page.get_by_role("button", name="Dismiss").click()
    expect(announced).to_have_count(0)


def test_the_focus_goes_on_from_the_account_after_logging_in_and_out(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    wait_for_state(page, "live")
    log_in(page, page_server.account())
    expect(page.get_by_role("button", name="Log out")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".bar").get_by_role("button", name="Log in")).to_be_focused()


def test_somebody_who_has_no_account_tries_with_one_press(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    hints = page.get_by_role("region", name="How to begin")
    expect(hints.get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Try with play money").click()
    expect(balance(page)).to_contain_text(re.compile(r"\d USD"))
    hints.get_by_role("button", name="Got it").click()
    expect(hints).to_have_count(0)
    page.reload()
    expect(balance(page)).to_contain_text(re.compile(r"\d USD"))
    expect(hints).to_have_count(0)


@pytest.mark.parametrize(("language", "name"), [("en", "Try with play money"), ("de", "Mit Spielgeld ausprobieren")])
def test_what_somebody_without_an_account_presses_is_in_view(page_server: PageServer, page: Page, language: str, name: str) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    page.add_init_script(f"localStorage.setItem('pricewire-preferences', JSON.stringify({{ language: '{language}' }}))")
    page.goto(page_server.url)
    expect(page.locator("[data-variant=fall] .odds")).to_be_visible()
    expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)


def test_a_statement_is_filtered_and_saved(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    page.get_by_role("radio", name="Statement").check(force=True)
    expect(positions(page)).to_have_count(2)
    expect(positions(page).first).to_contain_text("Purchase")
    expect(positions(page).first.locator(".profit")).to_contain_text("−10.00")
    page.get_by_label("Kind").select_option("deposit")
    expect(positions(page)).to_have_count(1)
    expect(positions(page)).to_contain_text("10,000.00")
    page.get_by_label("From", exact=True).fill("2999-01-01")
    expect(page.get_by_text("Nothing of this kind and time.")).to_be_visible()
    page.get_by_label("From", exact=True).fill("")
    page.get_by_label("Kind").select_option("")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    names, *rows = download.value.path().read_text().splitlines()
    assert names.startswith("transaction_id,timestamp,kind,amount,balance")
    assert [row.split(",")[2] for row in rows] == ["purchase", "deposit"]


def test_a_statement_that_fails_leaves_the_other_parts_where_they_are(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    for _ in range(6):
        buy(page_server, page, "rise")
        expect(page.get_by_text("Bought Rise")).to_be_visible()
    page.get_by_role("radio", name="Statement").check(force=True)
    expect(positions(page)).to_have_count(7)
    chart = page.locator(".chart")
    before = chart.bounding_box()
    # A contract that has no tick yet.
    positions(page).first.get_by_role("button").click()
    expect(page.get_by_role("dialog", name="Contract")).to_contain_text("The next tick is the entry.")
    assert chart.bounding_box() == before
    page.keyboard.press("Escape")
    # A year that is half typed is not asked for.
    with page.expect_request(lambda request: "kind=purchase" in request.url) as asked:
        page.get_by_label("From", exact=True).fill("0002-01-13")
        page.get_by_label("Kind").select_option("purchase")
    assert "from_epoch_ms" not in asked.value.url
    expect(positions(page)).to_have_count(6)

    def refuse(route: Route) -> None:
        route.fulfill(status=400, json={"error": {"code": "INVALID_PARAMETERS", "message": "from_epoch_ms: 'x' is no number"}})

    page.route("**/accounting/statement?*", refuse)
    page.get_by_label("To", exact=True).fill("2026-01-13")
    expect(page.get_by_role("alert").filter(has_text="Choose other days.")).to_be_visible()
    assert chart.bounding_box() == before


def test_a_statement_has_the_days_of_the_zone_that_its_times_are_shown_in(page_server: PageServer, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Pacific/Honolulu")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(page_server.url)
    log_in(page, page_server.account())
    page.get_by_role("radio", name="Statement").check(force=True)
    heading = page.locator(".columns.entry")
    expect(heading).to_contain_text("When, UTC")
    with page.expect_request(lambda request: f"from_epoch_ms={1768262400000}" in request.url):
        page.get_by_label("From", exact=True).fill("2026-01-13")
    # Its midnight is ten hours later there.
    with page.expect_request(lambda request: f"from_epoch_ms={1768262400000 + 36_000_000}" in request.url):
        page.get_by_role("button", name="UTC").click()
    expect(heading).not_to_contain_text("UTC")
    context.close()


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("width", [320, 390, 760])
def test_the_choice_of_the_positions_has_room_for_its_words(page_server: PageServer, page: Page, language: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    page.evaluate(f"localStorage.setItem('pricewire-preferences', JSON.stringify({{ language: '{language}' }}))")
    page.goto("about:blank")
    page.goto(f"{page_server.url}/positions")
    choice = page.locator(".positions header")
    expect(choice.locator(".total")).to_be_visible()
    overlaps = """header => {
      const boxes = [...header.querySelectorAll('h2, .segments span, .total')].map(part => {
        const range = document.createRange()
        range.selectNodeContents(part)
        return range.getBoundingClientRect()
      })
      return boxes.some((one, place) => boxes.slice(place + 1).some(other =>
        one.right > other.left && other.right > one.left && one.bottom > other.top && other.bottom > one.top))
    }"""
    assert choice.evaluate(overlaps) is False


@pytest.mark.parametrize("width", [320, 390])
def test_the_button_that_sells_holds_its_words(page_server: PageServer, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    page.get_by_label("Stake", exact=True).fill("2500")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    page.evaluate("localStorage.setItem('pricewire-preferences', JSON.stringify({ language: 'de' }))")
    page.goto("about:blank")
    page.goto(f"{page_server.url}/positions")
    button = wait_for_entry(page_server, page, 1900)
    expect(button).to_contain_text("Verkaufen")
    beyond = "button => [button.scrollWidth - button.clientWidth, button.scrollHeight - button.clientHeight]"
    assert button.evaluate(beyond) == [0, 0]
    button.click()
    closed = page.locator(".closing .button")
    expect(closed).to_contain_text("Verkauft")
    assert closed.evaluate(beyond) == [0, 0]


def test_a_statement_whose_program_cannot_be_loaded_leaves_the_page_as_it_is(page_server: PageServer, page: Page) -> None:
    page.route("**/statement-*", lambda route: route.abort())
    page.goto(page_server.url)
    log_in(page, page_server.account())
    page.get_by_role("radio", name="Statement").check(force=True)
    failure = page.get_by_text("The statement could not be loaded.")
    expect(failure).to_be_visible()
    page.get_by_role("radio", name="Closed").check(force=True)
    wait_for_state(page, "live")
    expect(failure).to_have_count(0)
    # Once it can be loaded, it comes by itself.
    page.get_by_role("radio", name="Statement").check(force=True)
    expect(failure).to_be_visible()
    page.unroute("**/statement-*")
    expect(positions(page)).to_contain_text("Deposit")


def test_a_contract_of_the_statement_is_opened_with_its_ticks(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    buy(page_server, page, "rise")
    wait_for_entry(page_server, page, 1901.25)
    page_server.move(1902.5)
    page.get_by_role("radio", name="Statement").check(force=True)
    purchase = page.locator("[data-kind=purchase]").get_by_role("button", name="Purchase")
    # While it is open, its ticks come as they do.
    purchase.click()
    drawer = page.get_by_role("dialog", name="Contract")
    expect(drawer.get_by_role("heading")).to_have_text("Rise on Volatility 100 Index")
    expect(drawer.get_by_role("row").filter(has_text="1901.25").first).to_be_visible()
    expect(drawer.get_by_role("row").filter(has_text="Entry")).to_have_count(1)
    expect(drawer.get_by_role("row").filter(has_text="1902.50")).to_have_count(1)
    page_server.move(1903.75)
    expect(drawer.get_by_role("row").filter(has_text="1903.75")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(purchase).to_be_focused()
    # Once it is closed, its result is there as well.
    page.get_by_role("radio", name="Open 1").check(force=True)
    page_server.move(1904)
    page.locator(".sell button[aria-disabled=false]").click()
    page.get_by_role("radio", name="Statement").check(force=True)
    page.locator("[data-kind=sale]").get_by_role("button", name="Sale").click()
    expect(drawer).to_contain_text("Sold")
    expect(drawer).to_contain_text("ticks of its life")
    expect(drawer.get_by_role("row").filter(has_text="1903.75")).to_have_count(1)
    drawer.get_by_role("button", name="Close").click()
    expect(drawer).to_have_count(0)


def test_an_older_contract_than_those_of_the_lists_is_asked_for(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    buy(page_server, page, "fall")
    wait_for_entry(page_server, page, 1901)
    page.locator(".sell button[aria-disabled=false]").click()
    page.get_by_role("radio", name="Statement").check(force=True)
    sale = page.locator("[data-kind=sale]").get_by_role("button", name="Sale")
    expect(sale).to_be_visible()
    # As if it were older: the lists that come by the stream do not have it.
    page.route("**/protected/sse*", lambda route: route.abort())
    page.reload()
    page.get_by_role("radio", name="Statement").check(force=True)
    with page.expect_response(lambda response: "contract_id=" in response.url) as found:
        sale.click()
    assert len(found.value.json()["data"]["contracts"]) == 1
    expect(page.get_by_role("dialog", name="Contract")).to_contain_text("Fall on Volatility 100 Index")
