"""An account's books, page by page: its statement, its closed contracts, its profit and loss."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

import httpx2

from pricewire.client.api.http import Api
from pricewire.protocol.accounting_messages import ClosedContractsPage, ProfitAndLossBody, StatementBody, TransactionKind
from pricewire.protocol.messages import Data


class AccountingReader:
    """
    Reads an account's books for a wire.

    Args:
        api: sends requests.
        client: returns what sends them; raises where the wire is closed.
    """

    def __init__(self, api: Api, client: Callable[[], Awaitable[httpx2.AsyncClient]]) -> None:
        self._api = api
        self._client = client

    async def statement(
        self,
        kinds: Collection[TransactionKind],
        *,
        cursor: str | None,
        limit: int | None,
        from_epoch_ms: int | None,
        to_epoch_ms: int | None,
        account_uuid: str | None,
    ) -> StatementBody[Decimal]:
        """Return a page, as `Wire.statement` says."""
        path = _path(
            "/v1/accounting/statement",
            kind=list(kinds),
            cursor=cursor,
            limit=limit,
            from_epoch_ms=from_epoch_ms,
            to_epoch_ms=to_epoch_ms,
            account_uuid=account_uuid,
        )
        return (await self._api.send(await self._client(), "GET", path, Data[StatementBody[Decimal]])).data

    async def closed_contracts(
        self, *, cursor: str | None, limit: int | None, from_epoch_ms: int | None, to_epoch_ms: int | None, account_uuid: str | None
    ) -> ClosedContractsPage[Decimal]:
        """Return a page, as `Wire.closed_contracts` says."""
        path = _path(
            "/v1/trading/contracts/close",
            cursor=cursor,
            limit=limit,
            from_epoch_ms=from_epoch_ms,
            to_epoch_ms=to_epoch_ms,
            account_uuid=account_uuid,
        )
        return (await self._api.send(await self._client(), "GET", path, Data[ClosedContractsPage[Decimal]])).data

    async def profit_and_loss(self, *, from_day: date | None, to_day: date | None, account_uuid: str | None) -> ProfitAndLossBody[Decimal]:
        """Return it, as `Wire.profit_and_loss` says."""
        path = _path("/v1/accounting/profit_and_loss", from_day=from_day, to_day=to_day, account_uuid=account_uuid)
        return (await self._api.send(await self._client(), "GET", path, Data[ProfitAndLossBody[Decimal]])).data


def _path(path: str, **parameters: object) -> str:
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, [])}, doseq=True)
    return f"{path}?{query}" if query else path
