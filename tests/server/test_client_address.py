"""Whom a request counts as, through proxies and past liars."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import PricewireError
from pricewire.server.client_address import Address, client_address, forwarded, is_trusted, limit_key, parse_network, x_forwarded_for

TRUSTED = [parse_network(text) for text in ("10.0.0.0/8", "2001:db8:1::/48", "::1")]

Headers = Sequence[tuple[str, str]]


def client(peer: str | None, *headers: tuple[str, str]) -> str | None:
    address = client_address(peer, [(name.encode(), value.encode("latin-1")) for name, value in headers], TRUSTED)
    return None if address is None else str(address)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_nobody_but_a_trusted_proxy_is_believed(header: str) -> None:
    value = "for=192.0.2.1" if header == "forwarded" else "192.0.2.1"
    assert client("198.51.100.7", (header, value)) == "198.51.100.7"
    assert client("10.0.0.1", (header, value)) == "192.0.2.1"
    assert client("::ffff:10.0.0.1", (header, value)) == "192.0.2.1", "a dual-stack socket shows IPv4 peers so"
    assert client_address("10.0.0.1", [(header.encode(), value.encode())], []) == IPv4Address("10.0.0.1")


def test_a_peer_without_an_address_is_nobody() -> None:
    assert client(None, ("x-forwarded-for", "192.0.2.1")) is None
    assert client("", ("x-forwarded-for", "192.0.2.1")) is None
    assert client("testclient") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1", "192.0.2.1"),
        ("203.0.113.9, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
        ("203.0.113.9,192.0.2.1,10.1.1.1,2001:db8:1::5", "192.0.2.1"),
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (" , 192.0.2.1 ,, ", "192.0.2.1"),
        ("192.0.2.1, unknown", "10.0.0.1"),
        ("192.0.2.1, unknown, 10.1.1.1", "10.1.1.1"),
        ("192.0.2.1, 999.1.1.1", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("192.0.2.1;", "10.0.0.1"),
        ("[192.0.2.1]", "10.0.0.1"),
    ],
)
def test_x_forwarded_for(value: str, expected: str) -> None:
    assert client("10.0.0.1", ("x-forwarded-for", value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=192.0.2.1", "192.0.2.1"),
        ("For=192.0.2.1;proto=http;by=203.0.113.43", "192.0.2.1"),
        ("proto=http; for=192.0.2.1 ; by=203.0.113.43;", "192.0.2.1"),
        ("for=203.0.113.9, for=192.0.2.1", "192.0.2.1"),
        ("for=203.0.113.9, for=192.0.2.1;by=10.1.1.1, for=10.1.1.1", "192.0.2.1"),
        ('for="192.0.2.1:4711"', "192.0.2.1"),
        ('for="192.0.2.1:_hidden"', "192.0.2.1"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="\\[2001:db8:cafe::17\\]"', "2001:db8:cafe::17"),
        ('for=203.0.113.9;note="a, for=10.0.0.1", for=192.0.2.1', "192.0.2.1"),
        ('host="for=203.0.113.9";for=192.0.2.1', "192.0.2.1"),
        (",, for=192.0.2.1 ,", "192.0.2.1"),
        # What stands left of what cannot be read may be anybody's.
        ("for=192.0.2.1, for=unknown", "10.0.0.1"),
        ("for=192.0.2.1, for=_hidden", "10.0.0.1"),
        ("for=192.0.2.1, by=10.1.1.1", "10.0.0.1"),
        ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
        ("for = 192.0.2.1", "10.0.0.1"),
        ("for=2001:db8::1", "10.0.0.1"),
        ('for="2001:db8::1"', "10.0.0.1"),
        ('for="[192.0.2.1]"', "10.0.0.1"),
        ('for=192.0.2.1;note="open', "10.0.0.1"),
        ('for="x, for=192.0.2.1', "10.0.0.1"),
        ("nonsense", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_forwarded(value: str, expected: str) -> None:
    assert client("10.0.0.1", ("forwarded", value)) == expected


def test_lines_are_read_as_one_list() -> None:
    assert client("10.0.0.1", ("x-forwarded-for", "192.0.2.1"), ("accept", "*/*"), ("x-forwarded-for", "10.1.1.1")) == "192.0.2.1"
    assert client("10.0.0.1", ("forwarded", 'for="open'), ("forwarded", "for=192.0.2.1")) == "192.0.2.1", "a client's line does no harm"


def test_a_header_that_a_proxy_has_only_passed_on_is_not_believed() -> None:
    """nginx and Caddy add to `X-Forwarded-For` and leave a `Forwarded` that the client has made up as it is; others do the reverse."""
    true, false = ("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=203.0.113.9")
    assert client("10.0.0.1", true, false) == "10.0.0.1"
    assert client("10.0.0.1", ("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "203.0.113.9")) == "10.0.0.1"
    assert client("10.0.0.1", true, ("forwarded", "for=192.0.2.1")) == "192.0.2.1"


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).filter(lambda address: getattr(address, "ipv4_mapped", None) is None)
strangers = addresses.filter(lambda address: not is_trusted(address, TRUSTED))
proxies = st.one_of(st.ip_addresses(network="10.0.0.0/8"), st.ip_addresses(network="2001:db8:1::/48"))


def plain(address: Address, port: int | None) -> str:
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if isinstance(address, IPv6Address) else f"{address}:{port}"


def rfc7239(address: Address, port: int | None) -> str:
    name = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    text = name if port is None else f"{name}:{port}"
    return f"for={text}" if port is None and isinstance(address, IPv4Address) else f'for="{text}"'


@given(
    lies=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40),
    stranger=strangers,
    chain=st.lists(proxies, min_size=1, max_size=4),
    port=st.none() | st.integers(1, 65535),
    kind=st.sampled_from(["x-forwarded-for", "forwarded"]),
    one_line=st.booleans(),
)
def test_whatever_a_client_makes_up_it_counts_as_itself_or_as_its_proxy(
    lies: str, stranger: Address, chain: list[Address], port: int | None, kind: str, one_line: bool
) -> None:
    write = plain if kind == "x-forwarded-for" else rfc7239
    added = ", ".join(write(hop, port) for hop in [stranger, *chain[:-1]])
    headers = [(kind, f"{lies}, {added}")] if one_line else [(kind, lies), (kind, added)]
    found = client(str(chain[-1]), *headers)
    allowed = {str(stranger)}
    if kind == "forwarded" and one_line and '"' in lies:
        # It broke the list itself: nothing is believed, and it counts as one of the proxies.
        allowed |= {str(hop) for hop in chain}
    assert found in allowed


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_no_text_breaks_the_readers(text: str) -> None:
    assert all(hop is None or isinstance(hop, IPv4Address | IPv6Address) for hop in [*forwarded(text), *x_forwarded_for(text)])


@pytest.mark.parametrize("text", ["; " * 8000, 'for="' + "\\a" * 8000, '"' * 16000, "for=" * 4000, ", " * 8000, 'a="b";' * 2600])
def test_no_text_takes_long(text: str) -> None:
    """Each of these takes hours where a pattern has two ways to match the same text."""
    assert not any(forwarded(text))


def test_a_household_is_one_client() -> None:
    assert limit_key(ip_address("192.0.2.1")) == IPv4Address("192.0.2.1")
    assert limit_key(ip_address("2001:db8:1:2:3:4:5:6")) == IPv6Network("2001:db8:1:2::/64")


@pytest.mark.parametrize("text", ["", "proxy", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(PricewireError, match=r"neither an address nor a network such as 10\.0\.0\.0/8"):
        parse_network(text)
