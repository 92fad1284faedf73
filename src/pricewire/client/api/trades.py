"""Purchases and sales: requests that may be sent several times, and happen once."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import httpx2

from pricewire.client.api.http import Api, with_query
from pricewire.client.stream.reconnect import ReconnectPolicy, may_retry
from pricewire.client.stream.request import retry_after
from pricewire.errors import ClientError, ConnectError, HTTPStatusError, TradeUncertainError
from pricewire.protocol.messages import Data
from pricewire.protocol.numbers import shortest
from pricewire.protocol.topics import ProposalTopic
from pricewire.protocol.trading_messages import Purchased, PurchaseDetails, PurchaseRequest, Sold, Variant

A = TypeVar("A")

TRADE_TIMEOUT = 15.0
"""How long a trade may take with all its repetitions, in seconds, where nothing is said: prices move on."""

ANSWER_TIMEOUT = 5.0
"""How long one request may wait for its answer, in seconds, before the trade is asked for again."""

LEAST_TIME = 0.1
"""How much time must be left for another request, in seconds: one that cannot be answered in time makes the outcome uncertain."""

RETRIES = ReconnectPolicy(attempts=None, interval=0.25, ceiling=2.0)
"""The waits between repetitions."""

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Failures after which the server has certainly not heard of the request."""


class Trader:
    """Buys and sells for a wire."""

    def __init__(self, api: Api, client: Callable[[], Awaitable[httpx2.AsyncClient]]) -> None:
        self._api = api
        self._client = client

    async def buy(
        self,
        contract: ProposalTopic,
        variant: Variant,
        *,
        payout: Decimal | None,
        tolerance: float | None,
        idempotency_key: str | None,
        account_uuid: str | None,
        within: float,
    ) -> Purchased[Decimal]:
        """Buy, as `Wire.buy` says."""
        key = idempotency_key or secrets.token_hex(16)
        details = PurchaseDetails(
            instrument_id=contract.instrument_id,
            duration=contract.duration,
            duration_unit=contract.duration_unit,
            allow_equals=contract.allow_equals,
            stake=shortest(contract.stake),
            variant=variant,
            payout=None if payout is None else shortest(payout),
            tolerance=tolerance,
            barrier=contract.barrier,
        )
        request = PurchaseRequest(idempotency_key=key, product_id=contract.product_id, proposal_details=details)
        path = with_query("/v1/trading/contracts/buy", account_uuid=account_uuid)

        async def send(limit: float) -> Purchased[Decimal]:
            return (await self._api.send(await self._client(), "POST", path, Data[Purchased[Decimal]], body=request, within=limit)).data

        # The server looks for the key first: what it refuses otherwise was not bought before. Without a good token it does not look.
        return await _repeat(send, within, settles=lambda error: error.status not in (401, 403), what="purchase", key=key)

    async def sell(self, contract_id: str, *, account_uuid: str | None, within: float) -> Sold[Decimal]:
        """Sell, as `Wire.sell` says."""
        path = with_query("/v1/trading/contracts/sell", contract_id=contract_id, account_uuid=account_uuid)

        async def send(limit: float) -> Sold[Decimal]:
            return (await self._api.send(await self._client(), "POST", path, Data[Sold[Decimal]], within=limit)).data

        # A contract that cannot be sold may be one that the lost request has sold.
        return await _repeat(send, within, settles=lambda _: False, what=f"sale of contract {contract_id}", key=None)


async def _repeat(
    send: Callable[[float], Awaitable[A]],
    within: float,
    *,
    settles: Callable[[HTTPStatusError], bool],
    what: str,
    key: str | None,
) -> A:
    """
    Send a request until it is answered, or its time is over.

    A status without an error code of Pricewire is not an answer: a proxy may have sent it, and the server may not have the request.

    Args:
        send: sends it once; called with the time that it has, in seconds.
        within: the time for all repetitions, in seconds.
        settles: whether a refusal by the server also tells what happened to earlier requests whose answer was lost.
        what: the trade, for the error.
        key: its idempotency key, for the error.

    Raises:
        HTTPStatusError: the server refused.
        RuntimeError: the wire is closed.
        ConnectError: the server was not reached.
        TokenError: the token's provider failed.
        TradeUncertainError: a request may have arrived, and no answer came.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    lost: ClientError | None = None
    attempt = 0
    while True:
        attempt += 1
        try:
            return await send(max(min(ANSWER_TIMEOUT, deadline - loop.time()), 0.0))
        except HTTPStatusError as error:
            failure: ClientError = error
            is_answer = error.code is not None
            # The next time the server itself may answer; but a rejected token would be replaced again and again.
            retry = may_retry(error.status) or (not is_answer and lost is not None and error.status not in (401, 403))
            if not retry and (not is_answer or (lost is not None and not settles(error))):
                detail = str(error) if is_answer else f"{error} and no code of Pricewire, so that a proxy may have done so"
                raise TradeUncertainError(what, key, detail) from error
            if not is_answer or error.status >= 500:
                lost = error
        except ConnectError as error:
            failure, retry = error, error.__cause__ is not None
            if retry and not isinstance(error.__cause__, NEVER_SENT):
                lost = error
        except RuntimeError as error:
            # The wire was closed meanwhile.
            if lost is None:
                raise
            raise TradeUncertainError(what, key, str(error)) from lost
        wait = RETRIES.wait(attempt, random.random(), retry_after=retry_after(failure))  # noqa: S311 - spreads load, no secret
        if retry and loop.time() + wait + LEAST_TIME < deadline:
            await asyncio.sleep(wait)
        elif retry and lost is not None:
            raise TradeUncertainError(what, key, str(failure)) from failure
        else:
            raise failure
