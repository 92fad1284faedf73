"""What trading needs from outside, as protocols: a ledger, accounts, recorded ticks (`store/` implements them), and a publisher. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from pricewire.protocol.accounting_messages import TransactionKind
from pricewire.protocol.messages import Tick
from pricewire.protocol.trading_messages import ProductId
from pricewire.trading.contracts import Contract


class Purchase(msgspec.Struct, frozen=True):
    """
    What an account wants to buy.

    Attributes:
        contract: the contract, open and not yet entered; its stake is the price.
        idempotency_key: the account's name for this purchase: repeated, it buys nothing and gets the first answer.
        digest: of what was asked for, to know a key that is used for something else.
    """

    contract: Contract
    idempotency_key: str
    digest: str


class Bought(msgspec.Struct, frozen=True):
    """
    What an account has bought.

    Attributes:
        contract: the contract, as it was right after the purchase.
        balance: what the account had then.
        is_repeated: whether this is the first answer again: then nothing was bought now, and there is nothing to publish.
        event_number: of its event in the outbox; 0 where it is repeated.
    """

    contract: Contract
    balance: Decimal
    is_repeated: bool
    event_number: int = 0


class Closed(msgspec.Struct, frozen=True):
    """
    A contract that has ended.

    Attributes:
        contract: the contract with its end.
        balance: what its account had after it.
        change: by how much its end changed the balance: its proceeds, 0 where it has lost.
        event_number: of its event in the outbox.
    """

    contract: Contract
    balance: Decimal
    change: Decimal
    event_number: int = 0


class PendingEvent(msgspec.Struct, frozen=True):
    """
    An event of a contract in the outbox.

    Attributes:
        number: its place there.
        contract: the contract, as it was right after what the event tells of: its purchase where it is open, else its end.
    """

    number: int
    contract: Contract


class ClosedPage(msgspec.Struct, frozen=True):
    """Some of an account's closed contracts, newest first, and how many it has in all."""

    contracts: list[Contract]
    total_items: int


class PageOf(msgspec.Struct, frozen=True):
    """
    Which page of an account's past is wanted; pages go back in time.

    Attributes:
        account_uuid: whose.
        limit: how many rows at most.
        from_ms: the first time of interest, in milliseconds since 1970.
        to_ms: the last time of interest.
        before: the time and the name of the last row of the page before; None for the newest page.
    """

    account_uuid: str
    limit: int
    from_ms: int
    to_ms: int
    before: tuple[int, str] | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """
    A movement of an account's money.

    Attributes:
        number: its place in the books.
        epoch_ms: when, in milliseconds since 1970.
        kind: what moved it.
        amount: what the account got; negative where it gave.
        balance: what it had after it.
        contract_id: which contract it was for; None for an operator's, as the next three.
        reference_id: that contract's name for people.
        product_id: what kind of contract.
        instrument_id: on whose price.
        reason: why an operator moved it; None for a contract's.
    """

    number: int
    epoch_ms: int
    kind: TransactionKind
    amount: Decimal
    balance: Decimal
    contract_id: str | None
    reference_id: str | None
    product_id: ProductId | None
    instrument_id: str | None
    reason: str | None


class EntriesPage(msgspec.Struct, frozen=True):
    """
    A page of an account's entries.

    Attributes:
        entries: newest first.
        currency: of all amounts.
        end: the time and the name of the last row that was looked at; None where there are no more.
    """

    entries: list[Entry]
    currency: str
    end: tuple[int, str] | None


class ContractsPage(msgspec.Struct, frozen=True):
    """
    A page of an account's closed contracts.

    Attributes:
        contracts: newest first.
        end: the time and the name of the last one; None where there are no more.
    """

    contracts: list[Contract]
    end: tuple[int, str] | None


class DailyResult(msgspec.Struct, frozen=True):
    """What came of an account's contracts of one product that ended on one day, which begins at `day_ms`, in milliseconds since 1970."""

    day_ms: int
    product_id: ProductId
    contracts: int
    stake: Decimal
    proceeds: Decimal


class Statements(Protocol):
    """What is read of the books, however far back. A method raises `DatabaseError`, and `AccountError` where there is no such account."""

    async def entries(self, page: PageOf, kinds: frozenset[str]) -> EntriesPage:
        """
        Return a page of an account's entries.

        Args:
            page: which.
            kinds: of these kinds alone; there may be fewer than asked for then though there are more. Empty for all.
        """

    async def closed_contracts(self, page: PageOf, contract_id: str | None = None) -> ContractsPage:
        """Return a page of an account's closed contracts, by when they were sold or expired; or of this one alone."""

    async def results(self, account_uuid: str, from_ms: int, to_ms: int) -> tuple[str, list[DailyResult]]:
        """Return an account's currency, and what came of its contracts that ended in a span of time, by day and product, newest first."""


class Ledger(Protocol):
    """
    The contracts and the money.

    Every method that writes returns when what it wrote is durable, and finishes even if its caller is cancelled. The caller publishes what
    it returned; the ledger publishes nothing. An account's balance is never below zero. A method raises `DatabaseError` where the database
    does not answer.
    """

    async def buy(self, purchase: Purchase) -> Bought:
        """
        Take a contract's price from its account and keep the contract; with a key that was used before, return the first answer.

        Raises:
            IdempotencyConflictError: the key was used for another purchase.
            InsufficientBalanceError: the account has less than the price.
            AccountSuspendedError: the account may not buy.
            AccountError: there is no such account, or it has another currency.
            DatabaseError: the database does not answer; repeat it with the same key to learn whether it was bought.
        """

    async def bought(self, account_uuid: str, idempotency_key: str, digest: str) -> Bought | None:
        """
        Return the answer that a purchase got, or None where there was none: it is given again whatever the market does now.

        Raises:
            IdempotencyConflictError: the key was used for another purchase.
        """

    async def enter(self, entered: Sequence[Contract]) -> None:
        """Keep what became of open contracts that stay open: their entry, their touch."""

    async def sell(self, sold: Contract) -> Closed:
        """
        Close a contract by its sale and give its proceeds to its account. If it is sold and settled at the same time, one of them wins.

        Raises:
            ContractNotSellableError: it is not open any more.
            DatabaseError: the database does not answer; `find` shows whether it was sold.
        """

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        """
        Close contracts that have expired, in one transaction, and give the accounts what they pay or the stake back.

        Returns:
            those that were open until now, in the order given; the others were closed before.

        Raises:
            DatabaseError: the database does not answer; it does no harm to try again.
        """

    async def pending_events(self) -> list[PendingEvent]:
        """Return the events of purchases and ends that were not removed from the outbox, oldest first."""

    async def decided_events(self, account_uuids: Collection[str]) -> list[PendingEvent]:
        """
        Return the same of some accounts, but not before it is decided what comes of all that is being written for these: also of a write
        that nobody waits for any more.
        """

    async def remove_events(self, numbers: Sequence[int]) -> None:
        """Remove events from the outbox by their numbers: they are published."""

    async def open_contracts(self) -> list[Contract]:
        """Return all open contracts, oldest first."""

    async def closed_contracts(self, account_uuid: str, limit: int) -> ClosedPage:
        """Return an account's newest closed contracts, at most so many."""

    async def find(self, contract_id: str, account_uuid: str) -> Contract:
        """
        Return an account's contract.

        Raises:
            UnknownContractError: the account has no such contract.
        """


class Account(Protocol):
    """An account, as far as trading looks at it."""

    @property
    def currency(self) -> str:
        """Of all its money."""

    @property
    def balance(self) -> Decimal:
        """What it has."""


class Accounts(Protocol):
    """The accounts. A method raises `DatabaseError` where the database does not answer."""

    async def find_uuid(self, account_uuid: str) -> Account | None:
        """Return the account with this uuid, or None."""


class TickHistory(Protocol):
    """The recorded ticks."""

    async def between(self, instrument_id: str, from_ms: int, to_ms: int, newest: int | None = None) -> list[Tick]:
        """Return the ticks between two times in milliseconds since 1970, oldest first; only the newest ones where it is said how many."""


class Publish(Protocol):
    """Sends messages to the streams of a topic."""

    def __call__(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> object:
        """
        Send a message to all streams of a topic.

        Args:
            topic: the topic's text.
            message: what msgspec encodes.
            key: what it supersedes earlier messages by; without one it is never left out.
            event: what it is.
            ends: the key that it ends: a new stream gets nothing of that key any more.
        """


class PublishedEvent(Protocol):
    """An event that was published."""

    @property
    def name(self) -> str:
        """What it is."""

    @property
    def key(self) -> str | None:
        """What it supersedes earlier ones by, and later ones supersede it by."""

    @property
    def json(self) -> bytes:
        """Its message."""


class PublishedEvents(Protocol):
    """What was published last, also by an earlier process, as far as streams can resume with it."""

    def latest_events(self, topic: str) -> Sequence[PublishedEvent]:
        """Return the newest event of each key of a topic that has not ended, oldest first."""

    def lasting_events(self, topic: str) -> Sequence[PublishedEvent]:
        """Return the recent events of a topic that nothing supersedes, oldest first."""

    @property
    def on_its_way(self) -> Callable[[str], bool]:
        """Tells of a topic whether this process has published something to it that is not among these events yet."""
