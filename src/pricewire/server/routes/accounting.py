"""The requests for an account's books: its statement, its profit and loss, its closed contracts page by page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter

from pricewire.protocol.accounting_messages import (
    ClosedContractsPage,
    DayResult,
    ProfitAndLossBody,
    StatementBody,
    StatementEntry,
    TransactionKind,
)
from pricewire.protocol.messages import Data
from pricewire.protocol.trading_messages import Amount
from pricewire.server.auth.dependencies import SECURITY, AnyRequest, Principal
from pricewire.server.http_errors import INVALID, REFUSED, UNAVAILABLE, UNKNOWN
from pricewire.server.limits import Admission
from pricewire.server.routes.accounts import NO_STORE, PROTECTED
from pricewire.server.routes.large_answers import answer
from pricewire.server.routes.trading import AccountUuid
from pricewire.server.services import Services
from pricewire.trading.accounting import from_cursor, statement_body
from pricewire.trading.interfaces import PageOf

LAST_MS = 10**15
"""A time that is later than all, in milliseconds since 1970."""

KIND_COST = 2000
"""What a filter of kinds costs, in rows: entries of other kinds are looked through."""

DAY_COST = 10
"""What a day of profit and loss costs, in rows."""

DEFAULT_DAYS = 31
"""How many days of profit and loss there are where no first day is asked for."""

FORMULA = ("=", "+", "-", "@")
"""How a text begins that spreadsheets would compute. Source: OWASP, CSV Injection."""

NEXT_CURSOR = "Pricewire-Next-Cursor"
"""The header that has the cursor of a page in CSV."""

BOOKS = {**INVALID, **PROTECTED, **UNKNOWN, **REFUSED, **UNAVAILABLE}
"""How a request for the books may be refused."""

Form = Annotated[
    Literal["json", "csv"],
    QueryParameter(description="`csv`: a line for each, with the next cursor in the header `Pricewire-Next-Cursor`."),
]
FromMs = Annotated[int, QueryParameter(ge=0, le=LAST_MS, description="The first time, in milliseconds since 1970.")]
ToMs = Annotated[int, QueryParameter(ge=0, le=LAST_MS, description="The last time, in milliseconds since 1970.")]


@dataclass
class WithCsv(Operation):
    """A request whose answer may also be CSV."""

    def __post_init__(self) -> None:
        """Say so in the schema."""
        response = (self.responses or {}).get("200")
        if isinstance(response, OpenAPIResponse) and response.content is not None:
            response.content["text/csv"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@get("/v1/accounting/statement", cache_control=NO_STORE, responses=BOOKS, security=SECURITY, operation_class=WithCsv)
async def show_statement(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    principal: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
    kind: Annotated[list[TransactionKind] | None, QueryParameter(description="Only this kind of entry; may be repeated.")] = None,
    from_epoch_ms: FromMs = 0,
    to_epoch_ms: ToMs = LAST_MS,
    cursor: Annotated[
        str | None, QueryParameter(pattern=r"^[0-9]{1,15}\.[0-9]{1,18}$(?!\n)", description="The `next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="How many entries at most.")] = 100,
    format: Form = "json",
) -> Response[Data[StatementBody[Amount]]]:
    """
    Return a page of an account's statement, newest first: every movement of its money, with the balance after it.

    With `kind`, a page may have fewer entries than asked for, or none, though there are more: `next_cursor` says so.
    """
    page = PageOf(principal.own(account_uuid), limit, from_epoch_ms, to_epoch_ms, from_cursor(cursor))
    admission.ask_for_history(admission.client(request.scope), limit + (KIND_COST if kind else 0))
    found = await services.accounting.statement(page, frozenset(kind or ()))
    body = statement_body(found)
    if format == "csv":
        return await answer_csv(request, StatementEntry, body.entries, body.next_cursor)
    return await answer(request, lambda: Data(body), len(found.entries))


@get("/v1/accounting/profit_and_loss", cache_control=NO_STORE, responses=BOOKS, security=SECURITY, operation_class=WithCsv)
async def show_profit_and_loss(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    principal: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
    from_day: Annotated[date | None, QueryParameter(description="The first day in UTC; by default 30 days before the last.")] = None,
    to_day: Annotated[date | None, QueryParameter(description="The last day in UTC; by default today.")] = None,
    format: Form = "json",
) -> Response[Data[ProfitAndLossBody[Amount]]]:
    """Return what came of an account's contracts, by the day that they ended on in UTC, and by product; 92 days at most."""
    account = principal.own(account_uuid)
    last = to_day or datetime.now(UTC).date()
    # Nothing is before the first day of the calendar.
    first = from_day or date.fromordinal(max(1, last.toordinal() - DEFAULT_DAYS + 1))
    admission.ask_for_history(admission.client(request.scope), DAY_COST * min(abs((last - first).days) + 1, 1000))
    body = await services.accounting.profit_and_loss(account, first, last)
    if format == "csv":
        return await answer_csv(request, DayResult, body.results, None)
    return await answer(request, lambda: Data(body), len(body.results))


@get("/v1/trading/contracts/close", cache_control=NO_STORE, responses=BOOKS, security=SECURITY)
async def list_closed_contracts(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    principal: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
    from_epoch_ms: FromMs = 0,
    to_epoch_ms: ToMs = LAST_MS,
    cursor: Annotated[
        str | None,
        QueryParameter(pattern=r"^[0-9]{1,15}\.[A-Za-z0-9\-]{1,64}$(?!\n)", description="The `next_cursor` of the page before."),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=500, description="How many contracts at most.")] = 50,
    contract_id: Annotated[
        str | None, QueryParameter(pattern=r"^[A-Za-z0-9\-]{1,64}$(?!\n)", description="Only this contract, however old it is.")
    ] = None,
) -> Response[Data[ClosedContractsPage[Amount]]]:
    """Return a page of an account's closed contracts, newest first, by when they were sold or expired: as far back as there are."""
    page = PageOf(principal.own(account_uuid), limit, from_epoch_ms, to_epoch_ms, from_cursor(cursor))
    admission.ask_for_history(admission.client(request.scope), limit)
    found = await services.accounting.closed_contracts(page, contract_id)
    return await answer(request, lambda: Data(services.accounting.closed_body(found)), len(found.contracts))


async def answer_csv(request: AnyRequest, kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct], cursor: str | None) -> Response[Any]:
    """Return rows as CSV, with their members' names in the first line."""
    headers = {} if cursor is None else {NEXT_CURSOR: cursor}
    return await answer(request, lambda: to_csv(kind, rows), len(rows), encode=str.encode, media_type="text/csv", headers=headers)


def to_csv(kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> str:
    """
    Return rows as CSV, as spreadsheets read it.

    Source: RFC 4180.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(kind.__struct_fields__)
    writer.writerows([_cell(name, getattr(row, name)) for name in kind.__struct_fields__] for row in rows)
    return text.getvalue()


def _cell(name: str, value: object) -> object:
    # An amount may begin with a sign, as it is a number; a text of people may not.
    return f"'{value}" if name == "reason" and str(value).startswith(FORMULA) else value
