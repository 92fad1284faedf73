"""The trading page in another language, as built, in Chromium: what it says, how it writes numbers, and how it reads them."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect

from support.page_server import PATIENCE, PageServer, ask_for, balance, buy, offer, positions, wait_for_state


def test_the_page_speaks_the_language_of_the_browser_and_that_of_the_settings(page_server: PageServer, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="de-DE", reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(page_server.url)
    wait_for_state(page, "live")
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "de")
    page.get_by_role("button", name="Mit Spielgeld ausprobieren").click()
    expect(balance(page)).to_contain_text("10.000,00 USD")
    page_server.move(1900)
    expect(page.locator(".quote [data-price=price]")).to_contain_text("1900,00")
    expect(page.locator(".legend")).to_contain_text("S 1900,00")

    # A point separates thousands here, and a comma decimals.
    stake = page.get_by_label("Einsatz", exact=True)
    stake.fill("1.000")
    expect(page.locator("[data-variant=rise] .odds")).to_contain_text("1.000,00 verlieren")
    stake.fill("12,5")
    page.get_by_label("Einheit der Laufzeit").select_option(label="Minuten")
    page.get_by_label("Laufzeit", exact=True).fill("5")
    buy(page_server, page, "rise")
    expect(page.get_by_text("„Steigt“ gekauft für 12,50.")).to_be_visible()
    expect(balance(page)).to_contain_text("9.987,50 USD")
    expect(positions(page)).to_contain_text("5 Minuten · Volatility 100 Index")

    # Another language renders everything anew, and reads what is typed by its own rules.
    page.get_by_role("button", name="Einstellungen").click()
    page.get_by_label("Sprache").select_option("en")
    expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
    expect(root).to_have_attribute("lang", "en")
    page.get_by_role("button", name="Done").click()
    expect(balance(page)).to_contain_text("9,987.50 USD")
    expect(positions(page)).to_contain_text("5 minutes · Volatility 100 Index")
    expect(page.locator(".legend")).to_contain_text("C 1900.00")
    expect(page.get_by_role("button", name="Favourite: Volatility 100 Index")).to_be_visible()
    expect(page.get_by_label("Stake", exact=True)).to_have_value("10")
    page.reload()
    expect(balance(page)).to_contain_text("9,987.50 USD")
    context.close()


def test_a_barrier_is_dragged_to_a_price_with_a_comma(page_server: PageServer, page: Page) -> None:
    page.add_init_script("localStorage.setItem('pricewire-preferences', JSON.stringify({ language: 'de' }))")
    page.goto(page_server.url)
    page.get_by_role("radio", name="Berührung").check(force=True)
    page.get_by_label("Einheit der Laufzeit").select_option("minutes")
    page.get_by_label("Barriere").fill("+0,50")
    page_server.move(1900)
    expect(page.get_by_text("Jetzt bei 1900,50")).to_be_visible()
    expect(offer(page, "touch")).to_be_visible()


def test_only_who_speaks_another_language_loads_it(page_server: PageServer, page: Page) -> None:
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(page_server.url)
    wait_for_state(page, "live")
    ask_for(page, 5, "minutes")
    assert not any("german" in url for url in loaded)
    page.get_by_role("button", name="Settings").click()
    with page.expect_request(lambda request: "german" in request.url):
        page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("dialog", name="Einstellungen")).to_be_visible()


def test_texts_that_cannot_be_loaded_leave_the_page_in_english(page_server: PageServer, page: Page) -> None:
    page.route("**/german-*", lambda route: route.abort())
    page.add_init_script("localStorage.setItem('pricewire-preferences', JSON.stringify({ language: 'de' }))")
    page.goto(page_server.url)
    wait_for_state(page, "live")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("button", name="Settings")).to_be_visible()


def test_what_the_server_says_is_said_in_the_language_of_the_page(page_server: PageServer, page: Page) -> None:
    page.add_init_script("localStorage.setItem('pricewire-preferences', JSON.stringify({ language: 'de' }))")
    page.goto(page_server.url)
    page.get_by_role("button", name="Mit Spielgeld ausprobieren").click()
    expect(balance(page)).to_contain_text("USD")
    page.get_by_label("Einheit der Laufzeit").select_option("minutes")
    buy(page_server, page, "rise")
    expect(page.get_by_text("„Steigt“ gekauft")).to_be_visible()
    page.get_by_role("radio", name="Auszug").check(force=True)
    expect(positions(page).first).to_contain_text("Steigt/Fällt")
    expect(positions(page).last).to_contain_text("Anfangsguthaben")
    page.get_by_role("radio", name="Höher/Tiefer").check(force=True)
    for barrier, problem in (("0", "Diese Barriere liegt nicht über null."), ("+0", "Diese Barriere ist der aktuelle Preis selbst.")):
        page.get_by_label("Barriere").fill(barrier)
        expect(page.get_by_text(problem)).to_be_visible()


def test_a_token_that_is_none_is_said_to_be_none(page_server: PageServer, page: Page) -> None:
    page.add_init_script("localStorage.setItem('pricewire-preferences', JSON.stringify({ language: 'de' }))")
    page.goto(f"{page_server.serving.url}/admin")
    page.get_by_label("Token").fill("none")
    page.get_by_role("button", name="Server zeigen").click()
    expect(page.get_by_text("Das ist kein Token dieses Servers.").first).to_be_visible()


def test_two_tabs_keep_what_was_chosen_in_the_other(page_server: PageServer, page: Page) -> None:
    other = page.context.new_page()
    for each in (page, other):
        each.goto(page_server.url)
        wait_for_state(each, "live")
    page.get_by_role("button", name="Favourite: Volatility 100 Index").click()
    other.get_by_role("button", name="Settings").click()
    expect(other.get_by_role("button", name="Favourite: Volatility 100 Index")).to_have_attribute("aria-pressed", "true")
    other.get_by_label("Language").select_option("de")
    expect(other.get_by_role("dialog", name="Einstellungen")).to_be_visible()
    expect(page.get_by_role("button", name="Favorit: Volatility 100 Index")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.get_by_role("button", name="Favorit: Volatility 100 Index")).to_have_attribute("aria-pressed", "true")
