"""Logging in: from an account and its password to tokens."""

from __future__ import annotations

import httpx2

from pricewire.client.api.http import Api
from pricewire.client.api.tokens import account_of
from pricewire.client.arguments import check_type
from pricewire.client.http_client import check_http_client, new_client
from pricewire.client.stream.request import build_headers
from pricewire.client.urls import check_url
from pricewire.protocol.account_messages import LoginBody, LoginRequest


class Login:
    """
    A token provider: brings the token of a login, and logs in again when another one is wanted. Made by `log_in`.

    Attributes:
        account_id: the name that was logged in with.
        account_uuid: the account's name in topics and requests; None where the token does not say.
    """

    def __init__(self, api: Api, request: LoginRequest, http_client: httpx2.AsyncClient | None, token: str) -> None:
        self.account_id = request.account_id
        self.account_uuid = account_of(token)
        self._api = api
        self._request = request
        self._http_client = http_client
        self._first: str | None = token

    def __repr__(self) -> str:
        return f"<Login of {self.account_id}>"

    async def __call__(self) -> str:
        """
        Return a token that was not given out before.

        Raises:
            HTTPStatusError: the server refused.
            ConnectError: there was no answer, or one that cannot be read.
        """
        token, self._first = self._first, None
        return await request_token(self._api, self._request, self._http_client) if token is None else token


async def log_in(url: str, account_id: str, password: str, *, http_client: httpx2.AsyncClient | None = None) -> Login:
    """
    Log in, and return a token provider for `connect` and the others. It keeps the password, to log in again before a token expires.

        login = await pricewire.log_in("http://127.0.0.1:8080", "demo", "demo")
        async with pricewire.connect("http://127.0.0.1:8080", token=login) as wire:
            print((await wire.balance().snapshot()).balance)

    Args:
        url: the server's address, with or without a path in front of its own ones.
        account_id: the account's name.
        password: its password. It is in no log or error.
        http_client: sends the requests, and stays open afterwards; by default one for each login.

    Raises:
        ValueError: the address is none of `http` or `https`.
        HTTPStatusError: the server refused: status 401 where there is no account with this name and password. Without a `code` it was
            something else that answered, a proxy for instance.
        ConnectError: there was no answer, or one that cannot be read.
    """
    check_url(url)
    check_type("account_id", account_id, str, "a string")
    check_type("password", password, str, "a string")
    check_http_client(http_client)
    api, request = Api(url, build_headers(None), None), LoginRequest(account_id, password)
    return Login(api, request, http_client, await request_token(api, request, http_client))


async def request_token(api: Api, request: LoginRequest, http_client: httpx2.AsyncClient | None) -> str:
    """
    Ask for a token.

    Raises:
        HTTPStatusError: the server refused.
        ConnectError: there was no answer, or one that cannot be read.
    """
    if http_client is not None:
        return (await api.send(http_client, "POST", "/login", LoginBody, body=request)).token
    async with await new_client(api.base_url) as client:
        return (await api.send(client, "POST", "/login", LoginBody, body=request)).token
