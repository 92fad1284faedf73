"""The requests of trading: products, purchases, sales."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from pricewire.protocol.messages import Data
from pricewire.protocol.topics import DEFAULT_CURRENCY
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ProductConfig,
    ProductId,
    ProductsBody,
    Purchased,
    PurchaseRequest,
    Sold,
)
from pricewire.server.auth.dependencies import SECURITY, UNAUTHORIZED, Caller, Principal
from pricewire.server.http_errors import CONFLICT, INVALID, REFUSED, UNAVAILABLE, UNKNOWN
from pricewire.server.routes.accounts import NO_STORE, PROTECTED
from pricewire.server.services import Services
from pricewire.server.telemetry.steps import step

TRADES = {**PROTECTED, **UNKNOWN, **CONFLICT, **UNAVAILABLE}
"""How a trade may be refused."""

BUY = "/v1/trading/contracts/buy"
"""Where contracts are bought."""

AccountUuid = Annotated[str | None, QueryParameter(max_length=64, description="The token's account, which is meant without it, too.")]
ContractId = Annotated[str, QueryParameter(pattern=r"^[A-Za-z0-9\-]{1,64}$(?!\n)", description="Which contract.")]


@get("/v1/market/products", responses={**INVALID, **UNAUTHORIZED})
async def list_products(services: NamedDependency[Services], caller: NamedDependency[Caller]) -> Data[ProductsBody]:
    """List the kinds of contracts."""
    return Data(services.desk.products.listed())


@get("/v1/market/products/config", responses={**INVALID, **UNAUTHORIZED, **UNKNOWN})
async def show_product(
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    product_id: Annotated[ProductId, QueryParameter(description="Of which kind of contract.")],
    instrument_id: Annotated[str | None, QueryParameter(description="On which instrument's price; all have the same.")] = None,
    currency: Annotated[str, QueryParameter(pattern=r"^[A-Z]{3,5}$(?!\n)", description="Of the amounts.")] = DEFAULT_CURRENCY,
) -> Data[ProductConfig]:
    """Return the defaults and the limits of a product's form."""
    if instrument_id is not None:
        services.publisher.market.instrument(instrument_id)
    return Data(services.desk.products.config(product_id, currency))


@get("/v1/accounting/balance", cache_control=NO_STORE, responses={**PROTECTED, **UNKNOWN, **UNAVAILABLE}, security=SECURITY)
async def show_balance(
    services: NamedDependency[Services], principal: NamedDependency[Principal], account_uuid: AccountUuid = None
) -> Data[BalanceBody[Amount]]:
    """Return an account's balance, as the stream of it begins with."""
    return Data(await services.desk.balance(principal.own(account_uuid)))


@post(BUY, status_code=200, cache_control=NO_STORE, responses={**TRADES, **REFUSED}, security=SECURITY)
async def buy(
    services: NamedDependency[Services],
    trader: NamedDependency[Principal],
    data: JSONBody[PurchaseRequest],
    account_uuid: AccountUuid = None,
) -> Data[Purchased[Amount]]:
    """
    Buy a contract at the price of now; the answer comes when the purchase is durable.

    The same request with the same `idempotency_key` buys nothing more, and gets the first answer.
    """
    with step("purchase", instrument=data.proposal_details.instrument_id, product=data.product_id):
        return Data(await services.desk.buy(trader.own(account_uuid), data))


@post("/v1/trading/contracts/sell", status_code=200, cache_control=NO_STORE, responses=TRADES, security=SECURITY)
async def sell(
    services: NamedDependency[Services], trader: NamedDependency[Principal], contract_id: ContractId, account_uuid: AccountUuid = None
) -> Data[Sold[Amount]]:
    """Sell a contract at what it is worth now; the answer comes when the sale is durable."""
    with step("sale"):
        return Data(await services.desk.sell(trader.own(account_uuid), contract_id))
