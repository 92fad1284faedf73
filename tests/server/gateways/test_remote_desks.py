"""Whose account a request claims to be for."""

from __future__ import annotations

import base64

import pytest

from pricewire.server.gateways.remote_desks import claimed_account
from support.tokens import jwt


def token(payload: bytes) -> bytes:
    return b"e30." + base64.urlsafe_b64encode(payload).rstrip(b"=") + b".c2ln"


@pytest.mark.parametrize("account", ["a", "ab", "abc", "3f0c1a52-8f5e-4a55-9d0e-000000000000"])
def test_a_token_claims_an_account(account: str) -> None:
    assert claimed_account(f"Bearer {jwt({'account': account, 'scope': 'trade'})}".encode()) == account


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer e30.e30.c2ln",
        b"Bearer a.b",
        b"Bearer ..",
        b"Bearer \xff.\xff\xfe.\xff",
        b"Basic " + token(b'{"account":1}'),
        b"Bearer " + token(b"\xff\xfe"),
        b"Bearer " + token(b"[" * 30_000),
        b"Bearer " + token(b'{"account":' + b"[" * 30_000),
    ],
)
def test_what_is_no_token_claims_none(header: bytes) -> None:
    assert claimed_account(header) is None
