"""The accounts that trade, as the desk knows them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from pricewire.errors import AccountError
from pricewire.protocol.topics import ContractsTopic
from pricewire.trading.contracts import Contract
from pricewire.trading.instrument_books import InstrumentBook
from pricewire.trading.interfaces import Accounts, ClosedPage
from pricewire.trading.limits import Exposure
from pricewire.trading.messages import UpdateTemplate, first_bid
from pricewire.trading.money import to_units


class AccountState:
    """
    An account and its open contracts.

    Attributes:
        account_uuid: the account.
        currency: of all its money.
        balance: what it has.
        change: by how much its last transaction changed that.
        lock: held from before a transaction until it is published, so that the account's events come in the order of its transactions.
        open: its open contracts that are durable, by their ids, oldest first.
        is_heard: whether somebody listens to each of its contracts.
        open_lists: the lists of its open contracts that somebody listens to: the id of the only contract of each, or empty for that of all.
        closed_lists: those of its closed contracts, likewise.
        closed: the newest of its closed contracts, where somebody listens to a list of them, or is about to.
    """

    __slots__ = ("account_uuid", "balance", "change", "closed", "closed_lists", "currency", "is_heard", "lock", "open", "open_lists")

    def __init__(self, account_uuid: str, currency: str, balance: Decimal) -> None:
        self.account_uuid = account_uuid
        self.currency = currency
        self.balance = balance
        self.change = balance * 0
        self.lock = asyncio.Lock()
        self.open: dict[str, OpenPosition] = {}
        self.is_heard = False
        self.open_lists: set[str] = set()
        self.closed_lists: set[str] = set()
        self.closed: ClosedPage | None = None


class OpenPosition:
    """
    An open contract of an account.

    Attributes:
        account: the account.
        book: where the contract itself is.
        contract_id: which it is.
        topic: of the account's contracts.
        bid: what it was last worth, in the currency's smallest unit.
        template: what its updates are made of; None before the first.
        is_waiting: whether a change of it is not durable yet: until then nothing of it is published.
    """

    __slots__ = ("account", "bid", "book", "contract_id", "is_waiting", "template", "topic")

    def __init__(self, account: AccountState, book: InstrumentBook, contract_id: str, bid: int) -> None:
        self.account = account
        self.book = book
        self.contract_id = contract_id
        self.topic = str(ContractsTopic(account.account_uuid))
        self.bid = bid
        self.template: UpdateTemplate | None = None
        self.is_waiting = False

    @property
    def contract(self) -> Contract | None:
        """The contract as it is now; None where it has just ended: it is neither open nor closed until that is durable."""
        return self.book.positions.contracts.get(self.contract_id)


class AccountStates:
    """
    The accounts that have been asked for, each read from the database once: from then on the desk knows what changes.

    Attributes:
        positions: the open contracts of all accounts that are durable, by their ids.
        held: the same by their books and accounts, oldest first.
    """

    def __init__(self, accounts: Accounts, exposure: Exposure) -> None:
        """
        Begin with none.

        Args:
            accounts: in the database.
            exposure: counts what open contracts may win; a contract that is held has been added to it before.
        """
        self._exposure = exposure
        self._accounts = accounts
        self._states: dict[str, AccountState] = {}
        self.positions: dict[str, OpenPosition] = {}
        self.held: dict[InstrumentBook, dict[AccountState, dict[str, OpenPosition]]] = {}

    def __getitem__(self, account_uuid: str) -> AccountState:
        """Return an account that has been asked for before."""
        return self._states[account_uuid]

    async def find(self, account_uuid: str) -> AccountState:
        """
        Return an account.

        Raises:
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        account = self._states.get(account_uuid)
        if account is not None:
            return account
        row = await self._accounts.find_uuid(account_uuid)
        if row is None:
            raise AccountError(f"there is no account {account_uuid!r}")
        # Another request may have been faster, and have changed the balance since.
        return self._states.setdefault(account_uuid, AccountState(account_uuid, row.currency, row.balance))

    async def refresh(self, account: AccountState) -> bool:
        """
        Read anew what an account has, and return whether it has changed; the caller has its lock.

        Raises:
            DatabaseError: the database does not answer.
        """
        row = await self._accounts.find_uuid(account.account_uuid)
        if row is None or row.balance == account.balance:
            return False
        account.change, account.balance = row.balance - account.balance, row.balance
        return True

    def hold(self, account: AccountState, book: InstrumentBook, contract: Contract) -> OpenPosition:
        """Add a contract to the open ones of its account."""
        position = OpenPosition(account, book, contract.contract_id, to_units(first_bid(contract), contract.currency))
        self.positions[contract.contract_id] = account.open[contract.contract_id] = position
        self.held.setdefault(book, {}).setdefault(account, {})[contract.contract_id] = position
        return position

    def release(self, contract: Contract) -> AccountState:
        """Remove a contract from the open ones; return its account."""
        account = self._states[contract.account_uuid]
        position = self.positions.pop(contract.contract_id, None)
        if position is not None:
            self._exposure.remove(contract)
            accounts = self.held[position.book]
            del accounts[account][contract.contract_id]
            if not accounts[account]:
                del accounts[account]
        account.open.pop(contract.contract_id, None)
        return account
