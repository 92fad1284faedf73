"""Trading on the page, as built, in Chromium, against a real server: every price is the test's."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from support.page_server import (
    PageServer,
    amount,
    ask_for,
    balance,
    buy,
    log_in,
    offer,
    positions,
    show_closed,
    show_events,
    wait_for_entry,
    wait_for_state,
)


def test_a_contract_from_log_in_to_settlement(page_server: PageServer, page: Page) -> None:
    account = page_server.account().id
    page.goto(page_server.url)
    # Prices are for everybody, and who presses a button is asked who they are.
    buy(page_server, page, "rise")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This server has a demo account")
    dialog.get_by_label("Account").fill(account)
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Log in").click()
    expect(dialog.get_by_role("alert")).to_have_text("The account or the password is wrong. Check both, and try again.")
    dialog.get_by_label("Password").fill("correct horse")
    dialog.get_by_role("button", name="Log in").click()
    expect(balance(page)).to_contain_text("10,000.00 USD")
    expect(page.get_by_text("No open contract.")).to_be_visible()

    ask_for(page, 1, "ticks")
    shown = page.locator("[data-variant=rise] .payout").inner_text()
    page_server.move(1901)
    page_server.move(1899)
    page.wait_for_function("before => document.querySelector('[data-variant=rise] .payout').innerText !== before", arg=shown)
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise for 10.00.")).to_be_visible()
    expect(positions(page)).to_have_count(1)
    expect(positions(page)).to_contain_text("next tick")
    expect(balance(page)).to_contain_text("9,990.00 USD")
    payout = amount(positions(page).locator(".value").nth(1))

    page_server.move(1900)
    expect(positions(page)).to_contain_text("1 of 1 tick")
    page_server.move(1902)
    expect(page.get_by_text("No open contract.")).to_be_visible()
    expect(balance(page)).to_contain_text(f"{Decimal('9990.00') + payout:,.2f} USD")
    show_closed(page)
    expect(positions(page)).to_contain_text("Won")
    expect(positions(page).locator(".profit")).to_contain_text(f"+{payout - 10}")


def test_an_account_trades_in_its_own_currency(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account("100000", "JPY"))
    expect(page.locator(".ticket")).to_contain_text("100 to 7,500,000 JPY")
    expect(page.get_by_label("Stake", exact=True)).to_have_value("1000")
    expect(page.locator("[data-variant=rise] .payout")).to_contain_text("JPY")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise for 1,000.")).to_be_visible()
    expect(balance(page)).to_contain_text("99,000 JPY")


def test_a_sale_at_the_price_on_its_button(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    buy(page_server, page, "fall")
    expect(positions(page)).to_have_count(1)
    sell = wait_for_entry(page_server, page, 1900)
    expect(sell).to_have_accessible_name(re.compile(r"^Sell [\d.]+ USD, Fall on Volatility 100 Index$"))
    price = amount(sell)
    page_server.move(1850)
    page.wait_for_function("before => !document.querySelector('.sell').innerText.includes(before)", arg=str(price))
    price = amount(sell)
    assert amount(positions(page).locator(".profit")) == price - 10 > 0
    sell.click()
    expect(positions(page).get_by_role("button", name=f"Sold +{price - 10}, Fall on Volatility 100 Index")).to_be_visible()
    expect(balance(page)).to_contain_text(f"{Decimal('9990.00') + price:,.2f} USD")
    show_closed(page)
    expect(positions(page)).to_contain_text("Sold")


def test_a_barrier_that_is_chosen_and_one_that_is_not(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    page.get_by_role("radio", name="Touch/No Touch").check(force=True)
    ask_for(page, 5, "minutes")
    page_server.move(1900)
    expect(page.get_by_text("Now at ")).to_be_visible()
    page.get_by_label("Barrier").fill("+1.234")
    expect(page.get_by_text("Enter a price, or an offset such as +0.01")).to_be_visible()
    expect(page.locator("[data-variant=touch]")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Barrier").fill("+0.50")
    page_server.move(1900)
    expect(page.get_by_text("Now at 1900.50")).to_be_visible()
    buy(page_server, page, "no_touch")
    expect(page.get_by_text("Bought No touch")).to_be_visible()
    wait_for_entry(page_server, page, 1910)
    expect(positions(page)).to_contain_text("1910.50")


def test_a_double_click_buys_once(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/buy" in request.url else None)
    page_server.move(1900)
    offer(page, "rise").dblclick()
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    expect(balance(page)).to_contain_text("9,990.00 USD")
    assert len(sent) == 1
    expect(positions(page)).to_have_count(1)


def test_an_order_whose_answer_is_lost_buys_once(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    ask_for(page, 5, "minutes")
    keys: list[str] = []

    def lose_the_first(route: Route) -> None:
        keys.append(json.loads(route.request.post_data or "")["idempotency_key"])
        if len(keys) > 1:
            return route.continue_()
        route.fetch()  # the server has bought it, and the answer goes astray
        return route.abort()

    page.route("**/contracts/buy?*", lose_the_first)
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise")).to_be_visible()
    assert len(keys) == 2
    assert len(set(keys)) == 1
    expect(balance(page)).to_contain_text("9,990.00 USD")
    expect(positions(page)).to_have_count(1)


def test_what_cannot_be_bought_says_what_to_do(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account("5.00"))
    ask_for(page, 5, "minutes")
    expect(page.get_by_text("More than your balance")).to_be_visible()
    buy(page_server, page, "rise")
    expect(page.locator(".outcome [role=alert]")).to_contain_text("Your balance does not cover this stake. Lower the stake")
    page.get_by_label("Stake", exact=True).fill("0.5")
    expect(page.get_by_text("From 1.00 to 50,000.00")).to_be_visible()
    expect(page.locator("[data-variant=rise]")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Stake", exact=True).fill("5")
    for wrong, problem in (("0", "From 1 to 1,440 minutes"), ("1.5", "Enter a whole number"), ("", "Enter a whole number")):
        page.get_by_label("Duration", exact=True).fill(wrong)
        expect(page.get_by_text(problem)).to_be_visible()
        expect(page.locator("[data-variant=rise]")).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Duration", exact=True).fill("5")
    buy(page_server, page, "rise")
    expect(balance(page)).to_contain_text("0.00 USD")


def test_a_purchase_with_the_keyboard_alone(page_server: PageServer, page: Page) -> None:
    account = page_server.account().id
    page.goto(page_server.url)
    wait_for_state(page, "live")

    def go_to(selector: str) -> None:
        for _ in range(80):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"{selector} cannot be reached")

    go_to(".bar .button.primary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Account")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".bar .button.primary")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("Account").press("ControlOrMeta+a")
    page.keyboard.type(account)
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("correct horse")
    page.keyboard.press("Enter")
    expect(balance(page)).to_contain_text("10,000.00 USD")
    go_to(".affixed select")
    page.keyboard.type("minutes")
    page_server.move(1900)
    expect(offer(page, "fall")).to_be_visible()
    go_to("[data-variant=fall]")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "2px"
    page.keyboard.press("Space")
    expect(page.get_by_text("Bought Fall")).to_be_visible()
    go_to("li.position .contract")


def test_a_session_outlives_a_reload_and_its_token_is_nowhere_else(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.reload()
    expect(balance(page)).to_contain_text("10,000.00 USD")
    token = page.evaluate("sessionStorage.getItem('pricewire-token')")
    assert token not in page.evaluate("JSON.stringify(localStorage) + document.cookie")
    show_events(page)
    page_server.move(1900)
    expect(page.locator(".events li").first).to_contain_text("R_100")
    assert token not in page.content()
    assert addresses
    assert not any(token in address for address in addresses)

    page.get_by_role("button", name="Log out").click()
    expect(page.locator(".bar").get_by_role("button", name="Log in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    wait_for_state(page, "live")
    expect(page.locator(".balance")).to_have_count(0)


def test_a_session_that_the_server_ends_is_said_to_have_ended(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    log_in(page, page_server.account())
    token = page.evaluate("sessionStorage.getItem('pricewire-token')")
    answer = httpx2.post(f"{page_server.serving.url}/v1/logout", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    expect(page.get_by_text("Your session has ended. Log in again to trade.")).to_be_visible()
    expect(page.locator(".balance")).to_have_count(0)
    wait_for_state(page, "live")
    page_server.move(1777)
    expect(page.locator(".quote [data-price=price]")).to_contain_text("1777.00")


def test_what_comes_over_the_wire_can_be_stopped_and_filtered(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    wait_for_state(page, "live")
    show_events(page)
    events = page.locator(".events li")
    page_server.move(1888)
    expect(events.first).to_contain_text("R_100")
    expect(events.filter(has_text="tick of ticks:R_100").first).to_contain_text('"price":"1888.00"')
    page.get_by_label("Filter the events").fill("candles:R_100")
    expect(events.filter(has_not_text="candles:R_100")).to_have_count(0)
    page.get_by_label("Filter the events").fill("")
    page.get_by_role("button", name="Pause").click()
    page_server.move(1666)
    expect(page.locator(".quote [data-price=price]")).to_contain_text("1666.00")
    expect(events.filter(has_text="1666.00")).to_have_count(0)
    page.get_by_role("button", name="Resume").click()
    page_server.move(1667)
    expect(events.filter(has_text="1667.00").first).to_be_visible()


def test_the_barrier_is_dragged_on_the_chart(page_server: PageServer, page: Page) -> None:
    page.goto(page_server.url)
    page.get_by_role("radio", name="Touch/No Touch").check(force=True)
    ask_for(page, 5, "minutes")
    page.get_by_label("Barrier").fill("+0.50")
    page_server.move(1900)
    expect(page.get_by_text("Now at 1900.50")).to_be_visible()
    canvas = page.locator(".canvas")
    box = canvas.bounding_box()
    assert box is not None

    def find_line() -> float:
        """Move the pointer down until it is on the line."""
        for y in range(int(box["y"]), int(box["y"] + box["height"]), 4):
            page.mouse.move(box["x"] + 100, y)
            if canvas.evaluate("canvas => canvas.style.cursor") == "ns-resize":
                return y
        raise AssertionError("there is no line to take hold of")

    y = find_line()
    page.mouse.down()
    page.mouse.move(box["x"] + 100, y - 20)
    page.mouse.up()
    dragged = Decimal(page.get_by_label("Barrier").input_value())
    assert dragged > Decimal("1900.50")
    page_server.move(1900)
    expect(page.get_by_text(f"Now at {dragged}")).to_be_visible()


def test_a_buyer_says_how_much_lower_a_payout_is_good_enough(page_server: PageServer, page: Page) -> None:
    sent: list[float] = []

    def as_if_two_percent_more_were_shown(route: Route) -> None:
        order = json.loads(route.request.post_data or "")
        details = order["proposal_details"]
        sent.append(details["tolerance"])
        details["payout"] = f"{Decimal(details['payout']) * Decimal('1.02'):.2f}"
        route.continue_(post_data=json.dumps(order))

    page.goto(page_server.url)
    log_in(page, page_server.account())
    page.route("**/contracts/buy*", as_if_two_percent_more_were_shown)
    choice = page.get_by_label("If the payout falls meanwhile, accept")
    expect(choice.locator("option:checked")).to_have_text("up to 5 % less")
    choice.select_option(label="nothing less")
    buy(page_server, page, "rise")
    expect(page.locator(".ticket").get_by_role("alert")).to_contain_text("payout")
    expect(positions(page)).to_have_count(0)
    page.reload()
    expect(choice.locator("option:checked")).to_have_text("nothing less")
    choice.select_option(label="up to 5 % less")
    buy(page_server, page, "rise")
    expect(page.get_by_text("Bought Rise for 10.00.")).to_be_visible()
    assert sent == [0, 0.05]


def test_a_link_names_the_product(page_server: PageServer, page: Page) -> None:
    page.goto(f"{page_server.serving.url}/#R_100/1m?product=touch")
    expect(page.get_by_role("radio", name="Touch/No Touch")).to_be_checked()
    page.get_by_role("radio", name="Higher/Lower").check(force=True)
    expect(page).to_have_url(f"{page_server.serving.url}/#R_100/1m?product=high_low")
    page.goto("about:blank")
    page.goto(f"{page_server.serving.url}/#R_100/1m?product=nonsense")
    expect(page.get_by_role("radio", name="Rise/Fall")).to_be_checked()


def test_the_answer_to_an_order_is_in_view_on_a_phone(page_server: PageServer, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page_server.url)
    log_in(page, page_server.account("5.00"))
    ask_for(page, 5, "minutes")
    # As far down as a finger needs the button.
    page.locator("[data-variant=rise]").evaluate("button => scrollTo(0, scrollY + button.getBoundingClientRect().bottom - 770)")
    buy(page_server, page, "rise")
    answer = page.locator(".outcome [role=alert]")
    expect(answer).to_contain_text("Your balance does not cover this stake.")
    in_view = """answer => {
      const { left, top, bottom } = answer.getBoundingClientRect()
      return [top + 1, bottom - 1].every(y => answer.contains(document.elementFromPoint(left + 1, y)))
    }"""
    assert answer.evaluate(in_view) is True
