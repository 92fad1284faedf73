from __future__ import annotations

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.stream.request import FIELD_VALUE, authorization_header, build_headers, last_event_id_header
from pricewire.client.urls import check_url, origin_of, public_url


def test_the_users_headers_win() -> None:
    headers = dict(build_headers({"Accept": "x/y", "Authorization": "Basic abc"}))
    assert headers == {
        b"accept": b"x/y",
        b"cache-control": b"no-cache",
        b"accept-encoding": b"gzip, deflate",
        b"authorization": b"Basic abc",
    }


@pytest.mark.parametrize("token", ["sec\nret", "sec\rret", "sec\0ret", "secret\n", "sec\fret"])
def test_a_token_that_no_header_can_carry_is_not_repeated(token: str) -> None:
    assert authorization_header("t") == [(b"authorization", b"Bearer t")]
    with pytest.raises(ValueError, match="'Authorization'") as raised:
        authorization_header(token)
    assert "sec" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "ä", "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name of a header"):
        build_headers({name: "x"})


@given(st.text())
def test_an_id_goes_along_as_utf_8_where_a_header_can_carry_it(last_event_id: str) -> None:
    for name, value in last_event_id_header(last_event_id):
        assert name == b"last-event-id"
        assert value.decode("utf-8", "surrogateescape") == last_event_id.strip(" \t")
        assert FIELD_VALUE.fullmatch(value)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://example.com/a?b", "http://example.com"),
        ("https://user:pass@example.com:443/a", "https://example.com"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("HTTP://EXAMPLE.com:81/", "http://example.com:81"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(httpx2.URL(url)) == origin


def test_an_address_for_logs_has_no_secrets() -> None:
    assert public_url("https://user:pass@example.com/a/b?ticket=secret#x") == "https://example.com/a/b"
    assert public_url("http://a b:c/") == "an invalid address"


def test_addresses_that_can_be_requested() -> None:
    check_url("https://example.com/stream?topic=a")
    with pytest.raises(ValueError, match="http"):
        check_url("wss://example.com/")
