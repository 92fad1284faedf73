"""What trading lets in: how often an account may buy, and how much open contracts may win. Times come in as arguments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from math import ceil, isfinite
from types import MappingProxyType

import msgspec

from pricewire.errors import ExposureLimitError, PricewireError, TooManyPurchasesError
from pricewire.trading.contracts import Contract
from pricewire.trading.money import DECIMALS

BURST_S = 2.0
"""How many seconds' worth of purchases an account may make at once after a quiet time: somebody who buys both sides of a few contracts."""

NO_LIMIT: Mapping[str, Decimal] = MappingProxyType({})


class TradingLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    What trading lets in.

    Attributes:
        open_contracts: how many an account may have at once; None for any number.
        purchases_per_second: how many an account may make, `BURST_S` seconds' worth at once after a quiet time; None for any number.
        account_exposure: how much the open contracts of an account may win, for each currency; for others, any amount.
        instrument_exposure: how much the open contracts on an instrument may win, of all accounts of a currency together, likewise.

    Raises:
        PricewireError: a limit is not above 0, or of a currency that no account has.
    """

    open_contracts: int | None = None
    purchases_per_second: float | None = None
    account_exposure: Mapping[str, Decimal] = NO_LIMIT
    instrument_exposure: Mapping[str, Decimal] = NO_LIMIT

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, number in (("open_contracts", self.open_contracts), ("purchases_per_second", self.purchases_per_second)):
            if number is not None and not (number > 0 and isfinite(number)):
                raise PricewireError(f"limit {name} is {number:g}; it has to be above 0")
        for name, amounts in (("account_exposure", self.account_exposure), ("instrument_exposure", self.instrument_exposure)):
            for currency, amount in amounts.items():
                if currency not in DECIMALS:
                    raise PricewireError(f"limit {name} is of the currency {currency!r}, which is none of {', '.join(DECIMALS)}")
                if not (amount.is_finite() and amount > 0):
                    raise PricewireError(f"limit {name} is {amount} {currency}; it has to be above 0")

    def of(self, part: Decimal) -> TradingLimits:
        """Return the limits of a process that has a part of the accounts: what holds for all of these together is shared out."""
        shared = {currency: amount * part for currency, amount in self.instrument_exposure.items()}
        return msgspec.structs.replace(self, instrument_exposure=shared)


class PurchaseRates:
    """Lets each account buy so often; as often as it likes where no rate is given."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        # When each account will have its whole burst again, in seconds.
        self._full_at: dict[str, float] = {}

    def take(self, account_uuid: str, now: float) -> None:
        """
        Count an account's purchase; `now` is that of a monotonic clock, in seconds.

        Raises:
            TooManyPurchasesError: the account has bought too often.
        """
        if self._per_second is None:
            return
        burst = max(1.0, self._per_second * BURST_S) / self._per_second
        full_at = max(self._full_at.get(account_uuid, now), now) + 1 / self._per_second
        if (wait := full_at - now - burst) > 1e-9:
            raise TooManyPurchasesError(self._per_second, max(1, ceil(wait)))
        self._full_at[account_uuid] = full_at


class Exposure:
    """Counts how much open contracts may win: what the house may lose by them."""

    def __init__(self, limits: TradingLimits) -> None:
        self._limits = limits
        # By the account's uuid, and by the instrument's id, each with the currency.
        self._accounts: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._instruments: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def check(self, contract: Contract) -> None:
        """
        Check that a contract may be sold beside those that there are.

        Raises:
            ExposureLimitError: they could win too much.
        """
        currency, wins = contract.currency, contract.payout - contract.stake
        of_account = self._limits.account_exposure.get(currency)
        if of_account is not None and self._accounts.get((contract.account_uuid, currency), 0) + wins > of_account:
            raise ExposureLimitError("the account's open contracts", of_account, currency)
        of_instrument = self._limits.instrument_exposure.get(currency)
        if of_instrument is not None and self._instruments.get((contract.instrument_id, currency), 0) + wins > of_instrument:
            raise ExposureLimitError(f"all open contracts on {contract.instrument_id}", of_instrument, currency)

    def of_instruments(self) -> list[tuple[str, str, Decimal, Decimal | None]]:
        """Return instrument, currency, what the contracts on it may win, and the limit of that, or None; of those that have any."""
        limits = self._limits.instrument_exposure
        return [(instrument_id, currency, wins, limits.get(currency)) for (instrument_id, currency), wins in self._instruments.items()]

    def add(self, contract: Contract) -> None:
        """Count a contract, from before its purchase is written: others may be bought meanwhile."""
        self._count(contract, contract.payout - contract.stake)

    def remove(self, contract: Contract) -> None:
        """Count a contract no more: it has ended, or was not bought after all."""
        self._count(contract, contract.stake - contract.payout)

    def _count(self, contract: Contract, amount: Decimal) -> None:
        for counts, key in ((self._accounts, contract.account_uuid), (self._instruments, contract.instrument_id)):
            counts[key, contract.currency] += amount
            if not counts[key, contract.currency]:
                del counts[key, contract.currency]
