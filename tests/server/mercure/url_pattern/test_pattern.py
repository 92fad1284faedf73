"""URL patterns: those of the standard, compared with what a browser makes of them."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import sync_playwright

from pricewire.server.mercure.url_pattern.pattern import UrlPattern, subject
from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError
from support.engines import find
from support.url_patterns import generate

BASE = "https://hub.example.com/.well-known/mercure"

IN_THE_BROWSER = """
([cases, base]) => cases.map(([pattern, topics]) => {
  let compiled;
  try {
    try { compiled = new URLPattern(pattern); } catch { compiled = new URLPattern(pattern, base); }
  } catch { return null; }
  return topics.map((topic) => [URL.canParse(topic, base) ? new URL(topic, base).href : null, compiled.test(topic, base)]);
})
"""


def matches(pattern: str, topic: str) -> bool:
    found = subject(topic, BASE)
    return found is not None and UrlPattern(pattern, BASE).matches(found)


def href(topic: str) -> str | None:
    from ada_url import URL

    try:
        return str(URL(topic, BASE).href)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("https://example.com/books/:id", "https://example.com/books/1"),
        ("https://example.com/books/:id", "HTTPS://EXAMPLE.com:443/books/x/../1"),
        ("/rooms/:id", "https://hub.example.com/rooms/1"),
        ("subscriptions", "/.well-known/subscriptions"),
        ("?page=:n", "/.well-known/mercure?page=2"),
        ("https://*.example.com/*", "https://a.b.example.com/x?y#z"),
        ("https://example.com/feed/:type(news|alerts)", "https://example.com/feed/news"),
        ("https://example.com/items{/:tail}?", "https://example.com/items"),
        ("https://example.com/:path+", "https://example.com/a/b/c"),
        ("urn\\:uuid\\:*", "urn:uuid:1234"),
        ("ticks\\:R_:n", "ticks:R_100"),
        ("https://[\\:\\:1]/", "https://[0:0::1]/"),
        ("https://münchen.de/:x", "https://xn--mnchen-3ya.de/é"),
        ("*://*/*", "wss://example.com/a"),
    ],
)
def test_what_matches(pattern: str, topic: str) -> None:
    assert matches(pattern, topic)


@pytest.mark.parametrize(
    ("pattern", "topic"),
    [
        ("https://example.com/books/:id", "https://example.com/books/"),
        ("https://example.com/books/:id", "https://example.com/Books/1"),
        ("https://example.com/books/:id", "https://example.com/books/1/2"),
        ("https://example.com/books/:id", "http://example.com/books/1"),
        ("https://example.com/a.b", "https://example.com/axb"),
        ("https://example.com/a", "https://example.com/a\nhttps"),
        ("/rooms/:id", "https://example.com/rooms/1"),
        ("https://example.com/([^a]+)", "https://example.com/ba?c"),
        ("https://example.com/(\\D+)", "https://example.com/b1#c"),
        ("https://example.com/*", "https://example.com:notaport/"),
        ("ticks\\:R_:n", "candles:R_100:60"),
    ],
)
def test_what_does_not_match(pattern: str, topic: str) -> None:
    assert not matches(pattern, topic)


@pytest.mark.parametrize(
    "pattern", ["https://example.com/(", "https://exa mple.com/:a", "/:a/:a", "/(a", "/(?=a)", "/((?=a)b)", "/(a{1001})", "/{a", "/(é)"]
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        UrlPattern(pattern, BASE)


def test_matching_takes_linear_time_whatever_the_pattern_is() -> None:
    topic = subject("/" + "a" * 4000, BASE)
    assert topic is not None
    began = time.thread_time()
    for pattern in ("/(a*)*b", "/((?:a|aa)+)b", "/" + "*a" * 12 + "b", "/((?:a?){100}a{100}b)", "/{:x}{:y}{:z}b"):
        assert not UrlPattern(pattern, BASE).matches(topic)
    # Where matching goes back, one of these takes longer than the universe has existed.
    assert time.thread_time() - began < 5


def test_patterns_that_would_take_too_much_memory_are_refused() -> None:
    with pytest.raises(InvalidPatternError):
        UrlPattern("/((?:(?:(?:a{100}){100}){100}){100})", BASE)


def test_thousands_of_patterns_match_what_they_match_in_a_browser() -> None:
    cases = generate(11, 2000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find("chromium"), args=["--no-sandbox", "--disable-gpu"])
        try:
            page = browser.new_page()
            answers = page.evaluate(IN_THE_BROWSER, [cases, BASE])
        finally:
            browser.close()
    differences, matched, invalid = [], 0, 0
    for (pattern, topics), theirs in zip(cases, answers, strict=True):
        try:
            compiled = UrlPattern(pattern, BASE)
        except InvalidPatternError:
            invalid += 1
            if theirs is not None:
                differences.append((pattern, "invalid", theirs))
            continue
        for index, topic in enumerate(topics):
            found = subject(topic, BASE)
            ours = found is not None and compiled.matches(found)
            matched += ours
            # Where the browser reads the topic as another URL than the standard has it, the topics are two.
            if theirs is None or (theirs[index][0] == href(topic) and theirs[index][1] != ours):
                differences.append((pattern, topic, ours))
    assert differences == []
    assert matched > 400
    assert invalid > 400
