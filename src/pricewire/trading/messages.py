"""Contracts and balances as they are sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from pricewire.protocol.messages import Tick
from pricewire.protocol.trading_messages import Amount, ContractBody, ContractDetails, Purchased, Sold, TickPoint
from pricewire.trading.contracts import Contract
from pricewire.trading.money import DECIMALS, from_units, to_signed_text, to_text, to_units

GAP = "@pricewire@"
"""The place of an amount in a template."""

TICK_STREAM = 100
"""How many ticks of a contract's life are shown, the newest."""


def tick_point(tick: Tick) -> TickPoint:
    """Return a tick as a contract's `tick_stream` has it."""
    return TickPoint(tick.ask, tick.bid, tick.epoch_ms, tick.price)


def contract_body(contract: Contract, instrument_name: str, bid: Decimal, ticks: Iterable[TickPoint]) -> ContractBody[Amount]:
    """
    Return a contract as it is sent, with the ticks of its life, oldest first; `bid` is what it can be sold for now, a closed one's
    proceeds.
    """
    is_open = contract.status == "open"
    worth = bid if contract.proceeds is None else contract.proceeds
    return ContractBody(
        contract.contract_id,
        contract.product_id,
        ContractDetails(
            allow_equals=contract.allow_equals,
            barrier=contract.barrier if contract.barrier_price is None else to_text(contract.barrier_price),
            bid_price=to_text(worth),
            bid_price_currency=contract.currency,
            contract_expiry_time=contract.expiry_time,
            contract_start_time=contract.buy_time,
            duration=contract.duration,
            duration_unit=contract.duration_unit,
            entry_spot=contract.entry_spot,
            entry_tick_time=contract.entry_tick_time,
            exit_spot=contract.exit_spot,
            exit_tick_time=contract.exit_tick_time,
            exit_time=contract.exit_time,
            instrument_id=contract.instrument_id,
            instrument_name=instrument_name,
            is_expired=contract.status in ("settled", "refunded"),
            is_refunded=contract.status == "refunded",
            is_sold=contract.status == "sold",
            is_valid_to_sell=is_open and contract.entry_tick_time is not None and worth > 0,
            potential_payout=to_text(contract.payout),
            profit_loss=to_signed_text(worth - contract.stake),
            reference_id=contract.reference_id,
            stake=to_text(contract.stake),
            variant=contract.variant,
            tick_stream=list(ticks),
        ),
    )


class UpdateTemplate:
    """
    The message of an open contract's updates with gaps for what each of them changes: the encoding of the rest is done once.

    With thousands of contracts, making and encoding a `contract_body` of each is a third of what a tick costs.

    Attributes:
        contract: whose messages it makes, as long as nothing else of it changes.
    """

    __slots__ = ("_amount", "_head", "_middle", "_scale", "_stake", "_tail", "contract")

    def __init__(self, contract: Contract, instrument_name: str) -> None:
        self.contract = contract
        decimals = DECIMALS[contract.currency]
        self._scale = 10**decimals
        self._amount = b"%%d.%%0%dd" % decimals
        self._stake = to_units(contract.stake, contract.currency)
        body = contract_body(contract, instrument_name, contract.stake, [])
        details = msgspec.structs.replace(body.contract_details, bid_price=GAP, profit_loss=GAP)
        data = msgspec.json.encode(msgspec.structs.replace(body, contract_details=details))
        self._head, middle, tail = data.split(GAP.encode())
        self._tail = tail.removesuffix(b"]}}")
        unsellable = middle.replace(b'"is_valid_to_sell":true', b'"is_valid_to_sell":false')
        self._middle = (unsellable, middle)

    def message(self, bid: int, newest: bytes) -> msgspec.Raw:
        """
        Return the message as `contract_body` would have it; the bid is in the currency's smallest unit, the newest tick as JSON, or
        nothing.
        """
        profit, scale, amount = bid - self._stake, self._scale, self._amount
        sign = b"+"
        if profit < 0:
            profit, sign = -profit, b"-"
        if scale == 1:
            worth, gain = b"%d" % bid, b"%d" % profit
        else:
            worth, gain = amount % (bid // scale, bid % scale), amount % (profit // scale, profit % scale)
        return msgspec.Raw(b"".join((self._head, worth, self._middle[bid > 0], sign, gain, self._tail, newest, b"]}}")))


def purchased(idempotency_key: str, contract: Contract, instrument_name: str) -> Purchased[Amount]:
    """Return the answer to a purchase, the same for the same contract, which is as it was bought, without entry."""
    body = contract_body(contract, instrument_name, first_bid(contract), [])
    return Purchased(
        idempotency_key, contract.contract_id, contract.product_id, to_text(contract.stake), contract.buy_time, body.contract_details
    )


def first_bid(contract: Contract) -> Decimal:
    """Return what a contract is worth right after its purchase: its price less the commission, which counts twice."""
    stake, payout = to_units(contract.stake, contract.currency), to_units(contract.payout, contract.currency)
    return from_units(max(0, round(stake - 2 * contract.commission * payout)), contract.currency)


def sold(contract: Contract, instrument_name: str, ticks: Iterable[TickPoint]) -> Sold[Amount]:
    """Return the answer to a sale."""
    proceeds = contract.proceeds or Decimal(0)
    body = contract_body(contract, instrument_name, proceeds, ticks)
    return Sold(
        contract_id=contract.contract_id,
        product_id=contract.product_id,
        buy_price=to_text(contract.stake),
        buy_time=contract.buy_time,
        sell_price=to_text(proceeds),
        sell_time=contract.exit_time or 0,
        profit=to_text(proceeds - contract.stake),
        contract_details=body.contract_details,
    )
