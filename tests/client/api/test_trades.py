"""Purchases and sales: with a server that trades, and with servers whose answers are lost."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire import sync
from pricewire.client.api import trades
from pricewire.client.api.login import log_in
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.wire import Wire, connect
from pricewire.errors import ConnectError, HTTPStatusError, TradeUncertainError
from pricewire.protocol.topics import ProposalTopic
from pricewire.store.accounts import Account
from support.app_server import TOKENS, add_account, bearer, open_app_server
from support.cancelling import cancel_everywhere
from support.raw_server import PATIENCE, RawConnection, RawServer, Script, hold, status
from support.serving import Serving

FIVE_MINUTES = ProposalTopic("rise_fall", "1HZ100V", 5, "minutes", Decimal(10), allow_equals=False)

BUY = "/v1/trading/contracts/buy"


@dataclass
class Scene:
    server: Serving
    alice: Account
    token: str

    def balance(self) -> Decimal:
        """Return what the account has, as another client sees it."""
        (account,) = httpx2.get(f"{self.server.url}/v1/accounts", headers=bearer(self.alice)).json()["data"]["accounts"]
        return Decimal(str(account["balance"]))


@pytest.fixture(scope="module")
def trading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    """A server that trades, and its database."""
    database = tmp_path_factory.mktemp("trades") / "pricewire.db"
    with open_app_server(database) as server:
        yield server, database


@pytest.fixture
def scene(trading: tuple[Serving, Path]) -> Scene:
    """An account that nobody has traded with."""
    server, database = trading
    alice = add_account(database, f"alice-{secrets.token_hex(4)}")
    return Scene(server, alice, TOKENS.issue(alice.uuid))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat without waiting."""
    monkeypatch.setattr(trades, "RETRIES", ReconnectPolicy(attempts=None, interval=0.001, floor=0.001))


pytestmark = pytest.mark.usefixtures("quick")


def refusal(line: str, code: str) -> Script:
    return status(line, body=json.dumps({"error": {"code": code, "message": "no"}}).encode())


# A server that trades.


async def test_a_purchase_a_sale_and_what_they_do_to_the_account(scene: Scene) -> None:
    async with asyncio.timeout(PATIENCE), connect(scene.server.url, token=scene.token) as wire:
        offers = {offer.variant: offer.contract_details for offer in (await anext(wire.proposal(FIVE_MINUTES))).variants}
        balance, changes, listed = wire.balance(), wire.contracts(), wire.open_contracts()
        before = (await balance.snapshot()).balance
        # Nothing is open, and that is known at once.
        assert (await listed.snapshot()).contracts == []
        with pytest.raises(ValueError, match="open_contracts"):
            await changes.snapshot()
        bought = await wire.buy(FIVE_MINUTES, "rise", payout=offers["rise"].payout)
        assert bought.buy_price == Decimal(10)
        assert bought.contract_details.potential_payout > Decimal(10)
        opened = await anext(changes)
        assert (opened.event, opened.data.contract_id) == ("contract_opened", bought.contract_id)
        while not opened.data.contract_details.is_valid_to_sell:
            opened = await anext(changes)
        sold = await wire.sell(bought.contract_id)
        while opened.event != "contract_sold":
            opened = await anext(changes)
        assert opened.data.contract_details.bid_price == sold.sell_price
        assert sold.profit == sold.sell_price - bought.buy_price
        while (newest := await anext(balance)).balance != before + sold.profit:
            pass
        assert newest.change == sold.sell_price
        with pytest.raises(HTTPStatusError, match="CONTRACT_NOT_SELLABLE"):
            await wire.sell(bought.contract_id)


async def test_a_key_buys_once(scene: Scene) -> None:
    async with connect(scene.server.url, token=scene.token) as wire:
        before = scene.balance()
        first, second = await asyncio.gather(*(wire.buy(FIVE_MINUTES, "rise", idempotency_key="one") for _ in range(2)))
        assert first.contract_id == second.contract_id
        assert scene.balance() == before - 10
        with pytest.raises(HTTPStatusError) as raised:
            await wire.buy(FIVE_MINUTES, "fall", idempotency_key="one")
        assert raised.value.status == 409


async def test_what_is_refused_is_not_asked_for_again(scene: Scene) -> None:
    sent: list[httpx2.Request] = []

    async def note(request: httpx2.Request) -> None:
        sent.append(request)

    async with (
        httpx2.AsyncClient(event_hooks={"request": [note]}) as client,
        connect(scene.server.url, token=scene.token, http_client=client) as wire,
    ):
        refusals = [(20_000, "1HZ100V", "INSUFFICIENT_BALANCE"), (10, "NOPE", "NOT_FOUND"), (0, "R_10", "INVALID_PARAMETERS")]
        for stake, instrument_id, code in refusals:
            with pytest.raises(HTTPStatusError) as raised:
                await wire.buy(ProposalTopic("rise_fall", instrument_id, 5, "minutes", Decimal(stake), allow_equals=False), "rise")
            assert raised.value.code == code
        with pytest.raises(HTTPStatusError, match="NOT_FOUND"):
            await wire.sell("nothing")
        with pytest.raises(HTTPStatusError, match="FORBIDDEN"):
            await wire.buy(FIVE_MINUTES, "rise", account_uuid="another")
    assert len(sent) == 5


def test_the_blocking_twin(scene: Scene) -> None:
    with sync.connect(scene.server.url, token=scene.token) as wire, wire.balance() as balance:
        before = balance.snapshot().balance
        bought = wire.buy(FIVE_MINUTES, "fall")
        assert bought.contract_id in {contract.contract_id for contract in wire.open_contracts().snapshot().contracts}
        assert bought.contract_details.variant == "fall"
        while next(balance).balance == before:
            pass
        with pytest.raises(HTTPStatusError, match="NOT_FOUND"):
            wire.sell("nothing")


# Answers that are lost.


def carry(scene: Scene, *, answer: bool) -> Script:
    """Pass a request on to the server, and its answer back, or not."""

    async def script(connection: RawConnection) -> None:
        body = await connection.body()
        headers = {name.decode(): connection.headers[name].decode() for name in (b"authorization", b"content-type")}
        async with httpx2.AsyncClient() as client:
            response = await client.request(connection.method, scene.server.url + connection.target, content=body, headers=headers)
        if answer:
            await status(f"{response.status_code} {response.reason_phrase}", body=response.content)(connection)
        else:
            connection.abort()

    return script


@pytest.mark.parametrize("losses", [1, 3])
async def test_a_purchase_whose_answers_are_lost_is_made_once(scene: Scene, losses: int) -> None:
    before = scene.balance()
    async with (
        RawServer(*[carry(scene, answer=False)] * losses, carry(scene, answer=True)) as server,
        connect(server.url, token=scene.token) as wire,
    ):
        bought = await wire.buy(FIVE_MINUTES, "rise")
    assert len(server.connections) == losses + 1
    assert scene.balance() == before - 10
    # And again, by its key, with another wire.
    async with connect(scene.server.url, token=scene.token) as wire:
        again = await wire.buy(FIVE_MINUTES, "rise", idempotency_key=bought.idempotency_key)
    assert again.contract_id == bought.contract_id
    assert scene.balance() == before - 10


async def test_a_purchase_is_repeated_letter_by_letter() -> None:
    bodies: list[Any] = []

    def take(answer: Script) -> Script:
        async def script(connection: RawConnection) -> None:
            bodies.append(json.loads(await connection.body()))
            await answer(connection)

        return script

    scripts = [
        status("503 Busy"),
        status("429 Wait", b"Retry-After: 0\r\n"),
        status("200 OK", body=b"nonsense"),
        refusal("409 No", "MARKET_CLOSED"),
    ]
    async with RawServer(*map(take, scripts)) as server, connect(server.url, token="t") as wire:
        with pytest.raises(HTTPStatusError, match="MARKET_CLOSED"):
            await wire.buy(FIVE_MINUTES, "rise", payout=Decimal("19.50"), tolerance=0.01, account_uuid="a b")
    assert len(bodies) == 4
    assert all(body == bodies[0] for body in bodies)
    assert {connection.target for connection in server.connections} == {f"{BUY}?account_uuid=a+b"}
    details = {
        "instrument_id": "1HZ100V",
        "duration": 5,
        "duration_unit": "minutes",
        "allow_equals": False,
        "stake": "10",
        "variant": "rise",
    }
    assert bodies[0]["proposal_details"] == {**details, "payout": "19.5", "tolerance": 0.01, "barrier": None}
    assert len(bodies[0]["idempotency_key"]) == 32


@pytest.mark.parametrize("line", ["404 Not Found", "409 Conflict", "413 Too Large", "400 Bad", "302 Found", "202 Later"])
async def test_what_a_proxy_says_after_a_lost_answer_is_no_refusal(scene: Scene, line: str) -> None:
    before = scene.balance()
    scripts = [carry(scene, answer=False), status(line), status(line, body=b"<html>no</html>"), carry(scene, answer=True)]
    async with RawServer(*scripts) as server, connect(server.url, token=scene.token) as wire:
        bought = await wire.buy(FIVE_MINUTES, "rise", within=PATIENCE)
    assert len(server.connections) == 4
    assert bought.buy_price == 10
    assert scene.balance() == before - 10


@pytest.mark.parametrize("line", ["404 Not Found", "409 Conflict", "413 Too Large", "401 No", "403 No", "502 Bad Gateway"])
@pytest.mark.parametrize("is_sale", [False, True], ids=["purchase", "sale"])
async def test_a_status_without_a_code_leaves_a_trade_uncertain(line: str, is_sale: bool) -> None:
    # It is asked again as long as there is time: enough for a first answer on a busy machine.
    within = 2.0
    for scripts in ([status(line)], [hold_and_abort, status(line)]):
        async with RawServer(*scripts) as server, connect(server.url, token="t") as wire:
            trade = wire.sell("c", within=within) if is_sale else wire.buy(FIVE_MINUTES, "rise", idempotency_key="k", within=within)
            # The last that is heard may be that time was up, before another such answer came.
            with pytest.raises(TradeUncertainError, match=f"status {line[:3]}|no answer within") as raised:
                await trade
        assert raised.value.idempotency_key == (None if is_sale else "k")


@pytest.mark.parametrize(
    "scripts", [[hold()], [status("500 No")], [status("500 No"), refusal("401 No", "UNAUTHORIZED")]], ids=["silence", "failures", "token"]
)
async def test_a_purchase_that_is_never_answered_is_uncertain_and_says_how_to_go_on(scripts: list[Script]) -> None:
    async with RawServer(*scripts) as server, connect(server.url, token="t") as wire:
        with pytest.raises(TradeUncertainError, match="idempotency_key='k'") as raised:
            await wire.buy(FIVE_MINUTES, "rise", idempotency_key="k", within=0.05 if len(scripts) == 1 else PATIENCE)
        assert raised.value.idempotency_key == "k"


async def test_a_sale_that_is_never_answered_is_uncertain() -> None:
    async with RawServer(hold()) as server, connect(server.url, token="t") as wire:
        with pytest.raises(TradeUncertainError, match=r"see contracts\(\)"):
            await wire.sell("c", within=2.0)


async def test_a_sale_after_a_lost_answer_that_finds_nothing_to_sell_is_uncertain() -> None:
    scripts = [hold_and_abort, refusal("409 No", "CONTRACT_NOT_SELLABLE")]
    async with RawServer(*scripts) as server, connect(server.url, token="t") as wire:
        with pytest.raises(TradeUncertainError, match="CONTRACT_NOT_SELLABLE") as raised:
            await wire.sell("c")
    assert isinstance(raised.value.__cause__, HTTPStatusError)
    assert [connection.target for connection in server.connections] == ["/v1/trading/contracts/sell?contract_id=c"] * 2


async def hold_and_abort(connection: RawConnection) -> None:
    connection.abort()


async def test_a_server_that_was_never_reached_has_bought_nothing() -> None:
    async with connect("http://127.0.0.1:1", token="t") as wire:
        with pytest.raises(ConnectError):
            await wire.buy(FIVE_MINUTES, "rise", within=0.5)


async def test_what_cannot_be_sent_is_not_repeated_not_even_in_the_error() -> None:
    async with (
        RawServer(hold()) as server,
        httpx2.AsyncClient(headers={"X-Key": "secret\n"}) as client,
        connect(server.url, token="t", http_client=client) as wire,
    ):
        with pytest.raises(ConnectError, match="header") as raised:
            await wire.buy(FIVE_MINUTES, "rise")
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_a_rejected_token_is_replaced() -> None:
    tokens = iter(["one", "two"])

    async def provide() -> str:
        return next(tokens)

    async with (
        RawServer(refusal("401 No", "UNAUTHORIZED"), refusal("404 No", "NOT_FOUND")) as server,
        connect(server.url, token=provide) as wire,
    ):
        with pytest.raises(HTTPStatusError, match="NOT_FOUND"):
            await wire.sell("c")
    assert [connection.headers[b"authorization"] for connection in server.connections] == [b"Bearer one", b"Bearer two"]


# Ends.


async def test_a_closed_wire_trades_no_more() -> None:
    wires: list[Wire] = []

    async def close(connection: RawConnection) -> None:
        await wires[0].aclose()

    async with RawServer(close) as server, connect(server.url, token="t") as wire:
        wires.append(wire)
        with pytest.raises(TradeUncertainError, match="closed"):
            await wire.buy(FIVE_MINUTES, "rise")
        with pytest.raises(RuntimeError, match="closed"):
            await wire.buy(FIVE_MINUTES, "rise")


async def test_cancelled_while_it_waits_it_leaves_no_socket() -> None:
    async with RawServer(hold()) as server, connect(server.url, token="t") as wire:
        buying = asyncio.ensure_future(wire.buy(FIVE_MINUTES, "rise"))
        await server.requests(1)
        buying.cancel()
        await asyncio.wait([buying])
        assert buying.cancelled()
        await server.left()


@pytest.mark.usefixtures("young_garbage")
async def test_cancelled_at_any_await_a_trade_and_a_login_leave_nothing() -> None:
    """No task, no socket, and no warning of what was never awaited or closed."""
    scripts = [status("200 OK", body=b'{"token":"t"}'), status("503 No"), hold_and_abort, refusal("409 No", "MARKET_CLOSED")]

    async def scenario(url: str) -> None:
        login = await log_in(url, "alice", "secret")
        async with connect(url, token=login) as wire:
            with pytest.raises(HTTPStatusError, match="MARKET_CLOSED"):
                await wire.buy(FIVE_MINUTES, "rise", within=PATIENCE)

    await cancel_everywhere(scenario, lambda: RawServer(*scripts), least=20)
