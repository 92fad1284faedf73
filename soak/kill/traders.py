"""Who trades during the kill test, over HTTP: buyers who repeat what was not answered, sell now and then, and listen to streams."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from pricewire.protocol.decoder import EventStreamDecoder
from soak.kill.exchange import LISTINGS
from soak.kill.exchange import PIP_SIZE as EXCHANGE_PIPS

AGAIN_S = 0.25
"""How long a request that was not answered waits for its repetition, in seconds."""

ANSWER_S = 4.0
"""How long an answer may take, in seconds, before the request is repeated: less than many a fault lasts."""

STREAM_S = 30.0
"""How long a stream may be silent, in seconds: longer than a heartbeat takes."""

STAKES = {"USD": "10.00", "EUR": "25.50", "JPY": "1000", "BTC": "0.00030000"}
"""What a contract costs, by the currency of the accounts."""

PIPS = {"1HZ10V": 2, "1HZ25V": 2, "1HZ50V": 2, "1HZ75V": 2, "1HZ100V": 2} | {
    "R_10": 3, "R_25": 3, "R_50": 4, "R_75": 4, "R_100": 2
} | {listing.name: EXCHANGE_PIPS for listing in LISTINGS}  # fmt: skip
"""What is traded, and the decimals of its prices."""

SIMULATED = tuple(name for name in PIPS if not name.startswith(("KEPT", "LOST")))

SIDES = {"rise_fall": ("rise", "fall"), "high_low": ("higher", "lower"), "touch": ("touch", "no_touch")}


@dataclass(slots=True)
class Heard:
    """
    What the server has said to those who trade.

    Attributes:
        bought: the answer to each purchase, by its key.
        refused: the keys of purchases that were refused, with the code.
        sold: the answer to each sale, by its contract.
        ends: the contracts whose end was published, with the status and what was got for it.
        ticks: the ticks that were published: the instrument, the time, price, ask and bid.
        codes: how often each refusal came.
        newest: the newest price of each instrument.
        repeated: how many requests were sent again.
    """

    bought: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    sold: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    ticks: set[tuple[str, str, str, str, str]] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)
    newest: dict[str, float] = field(default_factory=dict)
    repeated: int = 0


class Trader:
    """Buys and sells on one account until it is told to end."""

    def __init__(
        self,
        name: str,
        account_uuid: str,
        currency: str,
        token: str,
        *,
        port: Callable[[], int],
        heard: Heard,
        pause_s: float,
        pips: Mapping[str, int] = PIPS,
    ) -> None:
        """
        Prepare to trade.

        Args:
            name: begins its keys.
            account_uuid: whose account.
            currency: of the account.
            token: of the account.
            port: returns where the server is now; 0 while it is not running.
            heard: gets the answers.
            pause_s: how long it waits between two purchases, on average, in seconds.
            pips: what it trades, and the decimals of the prices.
        """
        self.is_to_end = False
        self._name = name
        self._account_uuid = account_uuid
        self._stake = STAKES[currency]
        self._headers = {"Authorization": f"Bearer {token}"}
        self._port = port
        self._heard = heard
        self._pause_s = pause_s
        self._pips = pips
        self._dice = random.Random(name)
        self._open: list[str] = []

    async def trade(self) -> None:
        """Trade; what was begun is brought to its end, until there is an answer."""
        async with httpx2.AsyncClient(headers=self._headers, timeout=ANSWER_S) as client:
            for number in count():
                if self.is_to_end:
                    return
                await self._buy(client, f"{self._name}-{number}")
                if self._open and self._dice.random() < 0.15:
                    await self._sell(client, self._open.pop(self._dice.randrange(len(self._open))))
                await asyncio.sleep(self._dice.expovariate(1 / self._pause_s))

    async def listen(self) -> None:
        """Read the account's events until cancelled."""
        while True:
            try:
                async with httpx2.AsyncClient(headers=self._headers, timeout=STREAM_S) as client:
                    await self._read(client, f"/protected/sse?topic=contracts:{self._account_uuid}", self._hear_end)
            except httpx2.HTTPError:
                await asyncio.sleep(AGAIN_S)

    async def watch(self) -> None:
        """Read the ticks of all instruments until cancelled."""
        topics = "&".join(f"topic=ticks:{name}" for name in PIPS)
        while True:
            try:
                async with httpx2.AsyncClient(timeout=STREAM_S) as client:
                    await self._read(client, f"/sse?{topics}", self._hear_tick)
            except httpx2.HTTPError:
                await asyncio.sleep(AGAIN_S)

    async def _buy(self, client: httpx2.AsyncClient, key: str) -> None:
        order = {"idempotency_key": key, "product_id": "", "proposal_details": {}} | self._order()
        status, body = await self._ask(client, "buy", order)
        if status != 200:
            code = body["error"]["code"]
            self._heard.refused[key] = code
            self._heard.codes[code] += 1
            return
        self._heard.bought[key] = body["data"]
        self._open.append(body["data"]["contract_id"])
        if self._dice.random() < 0.05:
            status, again = await self._ask(client, "buy", order)
            assert (status, again) == (200, body), f"the second answer for {key} is {again} instead of {body}"

    async def _sell(self, client: httpx2.AsyncClient, contract_id: str) -> None:
        status, body = await self._ask(client, f"sell?contract_id={contract_id}", None)
        if status == 200:
            self._heard.sold[contract_id] = body["data"]
        else:
            self._heard.codes[body["error"]["code"]] += 1

    async def _ask(self, client: httpx2.AsyncClient, what: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the server's answer, asking until there is one."""
        for attempt in count():
            self._heard.repeated += attempt > 0
            if port := self._port():
                try:
                    answer = await client.post(f"http://127.0.0.1:{port}/v1/trading/contracts/{what}", json=body)
                    if answer.status_code not in (429, 500, 503):
                        return answer.status_code, answer.json()
                    self._heard.codes[answer.json()["error"]["code"]] += 1
                except httpx2.HTTPError as error:
                    self._heard.codes[type(error).__name__] += 1
            await asyncio.sleep(AGAIN_S)
        raise AssertionError("counting ends")

    async def _read(self, client: httpx2.AsyncClient, path: str, hear: Callable[[dict[str, Any]], None]) -> None:
        port = self._port()
        if not port:
            await asyncio.sleep(AGAIN_S)
            return
        decoder = EventStreamDecoder()
        async with client.stream("GET", f"http://127.0.0.1:{port}{path}") as answer:
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                for event in decoder.feed(chunk):
                    if event.type == "message":
                        hear(json.loads(event.data))

    def _hear_end(self, message: dict[str, Any]) -> None:
        if message["event"] not in ("contract_sold", "contract_settled"):
            return
        contract, details = message["data"]["contract_id"], message["data"]["contract_details"]
        status = "sold" if details["is_sold"] else "refunded" if details["is_refunded"] else "settled"
        self._heard.ends[contract] = (status, details["bid_price"])

    def _hear_tick(self, message: dict[str, Any]) -> None:
        if message["event"] == "tick":
            tick = message["data"]
            self._heard.ticks.add((tick["instrument_id"], tick["epoch_ms"], tick["price"], tick["ask"], tick["bid"]))
            self._heard.newest[tick["instrument_id"]] = float(tick["price"])

    def _order(self) -> dict[str, Any]:
        """Return what to buy."""
        dice = self._dice
        name = dice.choice(list(self._pips))
        product = dice.choice(list(SIDES))
        duration: dict[str, Any] = {"duration": dice.randint(1, 10), "duration_unit": "ticks"}
        if dice.random() < 0.4 or (product != "rise_fall" and name not in SIMULATED):
            duration = {"duration": dice.randint(15, 25), "duration_unit": "seconds"}
        details: dict[str, Any] = {"instrument_id": name, "stake": self._stake, "variant": dice.choice(SIDES[product]), **duration}
        details["allow_equals"] = product != "touch" and dice.random() < 0.3
        if product != "rise_fall" and dice.random() < 0.6:
            details["barrier"] = self._barrier(name)
        return {"product_id": product, "proposal_details": details}

    def _barrier(self, name: str) -> str:
        pips = self._dice.choice([1, 2, 5, 10, 20, 40]) * self._dice.choice([-1, 1])
        newest = self._heard.newest.get(name)
        if newest is None or self._dice.random() < 0.6:
            return f"{pips / 10 ** self._pips[name]:+.{self._pips[name]}f}"
        return f"{newest + pips / 10 ** self._pips[name]:.{self._pips[name]}f}"
