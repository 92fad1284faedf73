"""An account's books as the wire has them: its statement, its profit and loss, its closed contracts page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pricewire.errors import InvalidProposalError
from pricewire.protocol.accounting_messages import ClosedContractsPage, DayResult, ProfitAndLossBody, StatementBody, StatementEntry
from pricewire.protocol.trading_messages import Amount
from pricewire.trading.interfaces import ContractsPage, DailyResult, EntriesPage, Entry, PageOf, Statements
from pricewire.trading.messages import contract_body
from pricewire.trading.money import to_signed_text, to_text

MOST_DAYS = 92
"""How many days of profit and loss are summed up at once: a quarter."""


class Accounting:
    """
    Reads the books, and raises what `Statements` says.

    What it reads may be large: it is made into messages by functions, to be called where that holds up nobody.
    """

    def __init__(self, statements: Statements, instrument_name: Callable[[str], str]) -> None:
        """Prepare to read; `instrument_name` returns an instrument's name for people."""
        self._statements = statements
        self._instrument_name = instrument_name

    async def statement(self, page: PageOf, kinds: frozenset[str]) -> EntriesPage:
        """Return a page of an account's entries; `statement_body` makes the message."""
        return await self._statements.entries(page, kinds)

    async def closed_contracts(self, page: PageOf, contract_id: str | None = None) -> ContractsPage:
        """Return a page of an account's closed contracts, or of one alone; `closed_body` makes the message."""
        return await self._statements.closed_contracts(page, contract_id)

    async def profit_and_loss(self, account_uuid: str, first: date, last: date) -> ProfitAndLossBody[Amount]:
        """
        Return what came of an account's contracts by day and product, from the first to the last day in UTC.

        Raises:
            InvalidProposalError: it is before the first, or more than `MOST_DAYS` are asked for.
        """
        days = (last - first).days + 1
        if not 1 <= days <= MOST_DAYS:
            raise InvalidProposalError(f"from_day {first} to to_day {last} are {days} days; ask for 1 to {MOST_DAYS}")
        begin = round(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp() * 1000)
        end = begin + round(timedelta(days=days).total_seconds() * 1000) - 1
        currency, results = await self._statements.results(account_uuid, begin, end)
        return ProfitAndLossBody(results=[_day_result(each) for each in results], currency=currency)

    def closed_body(self, page: ContractsPage) -> ClosedContractsPage[Amount]:
        """Return a page of closed contracts as the wire has it."""
        bodies = [contract_body(each, self._instrument_name(each.instrument_id), Decimal(0), ()) for each in page.contracts]
        return ClosedContractsPage(contracts=bodies, next_cursor=to_cursor(page.end))


def statement_body(page: EntriesPage) -> StatementBody[Amount]:
    """Return a page of a statement as the wire has it."""
    return StatementBody(entries=[_entry(each) for each in page.entries], currency=page.currency, next_cursor=to_cursor(page.end))


def to_cursor(end: tuple[int, str] | None) -> str | None:
    """Return what asks for the page after a row: its time and its name."""
    return None if end is None else f"{end[0]}.{end[1]}"


def from_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Return the row that a cursor of the right form is after."""
    if cursor is None:
        return None
    time, _, name = cursor.partition(".")
    return int(time), name


def _entry(entry: Entry) -> StatementEntry[Amount]:
    return StatementEntry(
        transaction_id=str(entry.number),
        timestamp=entry.epoch_ms,
        kind=entry.kind,
        amount=to_text(entry.amount),
        balance=to_text(entry.balance),
        contract_id=entry.contract_id,
        reference_id=entry.reference_id,
        product_id=entry.product_id,
        instrument_id=entry.instrument_id,
        reason=entry.reason,
    )


def _day_result(result: DailyResult) -> DayResult[Amount]:
    return DayResult(
        day=datetime.fromtimestamp(result.day_ms / 1000, UTC).date().isoformat(),
        product_id=result.product_id,
        contracts=result.contracts,
        stake=to_text(result.stake),
        proceeds=to_text(result.proceeds),
        profit_loss=to_signed_text(result.proceeds - result.stake),
    )
