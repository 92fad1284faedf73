"""Topics: what one can subscribe to, as text and as an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar, get_args

import msgspec

from pricewire.errors import InvalidTopicError, quoted
from pricewire.protocol.numbers import read_barrier, read_number, shortest, shortest_barrier
from pricewire.protocol.trading_messages import DurationUnit, ProductId, TradeType

Choice = TypeVar("Choice")

GRANULARITIES = (60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""The spans of candles, in seconds: a minute to a day, each a divisor of a day, so that every day begins with a new candle."""

INSTRUMENT_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")

ACCOUNT_UUID = re.compile(r"[A-Za-z0-9\-]{1,64}")

CONTRACT_ID = re.compile(r"[A-Za-z0-9\-]{1,64}")

DURATION = re.compile(r"[1-9][0-9]{0,8}")

CURRENCY = re.compile(r"[A-Z]{3,5}")

DEFAULT_CURRENCY = "USD"
"""The currency of proposals that name none."""

PRODUCT_IDS: dict[str, ProductId] = {name: name for name in get_args(ProductId)}
DURATION_UNITS: dict[str, DurationUnit] = {name: name for name in get_args(DurationUnit)}
TRADE_TYPES: dict[str, TradeType] = {name: name for name in get_args(TradeType)}
ALLOW_EQUALS = {"true": True, "false": False}


class TicksTopic(msgspec.Struct, frozen=True):
    """The ticks of an instrument, as `ticks:R_100`."""

    instrument_id: str

    def __str__(self) -> str:
        return f"ticks:{self.instrument_id}"


class CandlesTopic(msgspec.Struct, frozen=True):
    """The candles of an instrument, as `candles:R_100:60`; the granularity is in seconds."""

    instrument_id: str
    granularity: int

    def __str__(self) -> str:
        return f"candles:{self.instrument_id}:{self.granularity}"


class ProposalTopic(msgspec.Struct, frozen=True):
    """
    The price of a contract that could be bought, as `proposal:high_low:R_100:5:minutes:10:false:+1.2`, or `…:minutes:JPY:1000:false:+1.2`.

    Its text is the same for all who ask for the same: numbers have no needless zeros.

    Attributes:
        product_id: what kind of contract.
        instrument_id: the underlying instrument.
        duration: how long it would last, in units.
        duration_unit: the unit.
        stake: what it would cost.
        allow_equals: whether an exit spot equal to the barrier would win.
        barrier: a price, or an offset from the spot with its sign; None for the product's own.
        currency: of the stake.
    """

    product_id: ProductId
    instrument_id: str
    duration: int
    duration_unit: DurationUnit
    stake: Decimal
    allow_equals: bool
    barrier: str | None = None
    currency: str = DEFAULT_CURRENCY

    def __str__(self) -> str:
        allow_equals = "true" if self.allow_equals else "false"
        stake = shortest(self.stake) if self.currency == DEFAULT_CURRENCY else f"{self.currency}:{shortest(self.stake)}"
        text = f"proposal:{self.product_id}:{self.instrument_id}:{self.duration}:{self.duration_unit}:{stake}:{allow_equals}"
        return text if self.barrier is None else f"{text}:{shortest_barrier(self.barrier)}"


class ContractPriceTopic(msgspec.Struct, frozen=True):
    """
    What a contract with a given payout would cost, as `contract_price:CALL:R_100:5:minutes:USD:20:1250`.

    Attributes:
        trade_type: `CALL` wins above the strike, `PUT` below, `TOUCH` where the price reaches it, `NOTOUCH` where it does not.
        instrument_id: the underlying instrument.
        duration: how long it would last, in units.
        duration_unit: the unit.
        currency: of the payout and the price.
        payout: what it would pay.
        strike: a price, or an offset from the spot with its sign; None for the spot.
    """

    trade_type: TradeType
    instrument_id: str
    duration: int
    duration_unit: DurationUnit
    currency: str
    payout: Decimal
    strike: str | None = None

    def __str__(self) -> str:
        duration = f"{self.duration}:{self.duration_unit}"
        text = f"contract_price:{self.trade_type}:{self.instrument_id}:{duration}:{self.currency}:{shortest(self.payout)}"
        return text if self.strike is None else f"{text}:{shortest_barrier(self.strike)}"


class ContractsTopic(msgspec.Struct, frozen=True):
    """The contracts of an account, an event for each change, as `contracts:<account uuid>`."""

    account_uuid: str

    def __str__(self) -> str:
        return f"contracts:{self.account_uuid}"


class OpenContractsTopic(msgspec.Struct, frozen=True):
    """
    All open contracts of an account in one list, at every change, as `open_contracts:<account uuid>`.

    Attributes:
        account_uuid: the account.
        contract_id: the list has this contract alone, with the ticks of its life, as `open_contracts:<account uuid>:<contract>`; empty for
            all.
    """

    account_uuid: str
    contract_id: str = ""

    def __str__(self) -> str:
        return list_name("open_contracts", self.account_uuid, self.contract_id)


class ClosedContractsTopic(msgspec.Struct, frozen=True):
    """
    The newest closed contracts of an account in one list, at every change, as `closed_contracts:<account uuid>`.

    Attributes:
        account_uuid: the account.
        contract_id: the list has this contract alone, with the ticks of its life, as `closed_contracts:<account uuid>:<contract>`; empty
            for all.
    """

    account_uuid: str
    contract_id: str = ""

    def __str__(self) -> str:
        return list_name("closed_contracts", self.account_uuid, self.contract_id)


class BalanceTopic(msgspec.Struct, frozen=True):
    """The balance of an account, as `balance:<account uuid>`."""

    account_uuid: str

    def __str__(self) -> str:
        return f"balance:{self.account_uuid}"


class AdminTopic(msgspec.Struct, frozen=True):
    """How the server is doing, as `admin`."""

    def __str__(self) -> str:
        return "admin"


MarketTopic = TicksTopic | CandlesTopic
"""What anybody may see of the market."""

ContractListTopic = OpenContractsTopic | ClosedContractsTopic
"""A list of an account's contracts."""

AccountTopic = ContractsTopic | ContractListTopic | BalanceTopic
"""What only the holder of an account may see."""

QuoteTopic = ProposalTopic | ContractPriceTopic
"""What a contract would cost: for anybody, and computed only while somebody listens."""

Topic = MarketTopic | QuoteTopic | AccountTopic | AdminTopic
"""All of them. The last is for operators alone."""

FORMS = (
    "ticks:<instrument>",
    "candles:<instrument>:<seconds>",
    "proposal:<product>:<instrument>:<duration>:<unit>:[<currency>:]<stake>:<true|false>[:<barrier>]",
    "contract_price:<CALL|PUT|TOUCH|NOTOUCH>:<instrument>:<duration>:<unit>:<currency>:<payout>[:<strike>]",
    "contracts:<account>",
    "open_contracts:<account>",
    "closed_contracts:<account>",
    "balance:<account>",
    "admin",
)

ACCOUNT_TOPICS: dict[str, type[ContractsTopic | BalanceTopic]] = {"contracts": ContractsTopic, "balance": BalanceTopic}
LIST_TOPICS: dict[str, type[ContractListTopic]] = {"open_contracts": OpenContractsTopic, "closed_contracts": ClosedContractsTopic}


def list_name(kind: str, account_uuid: str, contract_id: str) -> str:
    """Return the text of the topic of a list of contracts."""
    return f"{kind}:{account_uuid}:{contract_id}" if contract_id else f"{kind}:{account_uuid}"


def is_quote(name: str) -> bool:
    """Return whether a topic, by its text, is a quote."""
    return name.startswith(("proposal:", "contract_price:"))


def parse_topic(text: str) -> Topic:
    """
    Read a topic.

    Raises:
        InvalidTopicError: the text is of no such form, or a part of it is out of bounds.
    """
    kind, _, rest = text.partition(":")
    if kind == "ticks":
        return TicksTopic(parse_instrument_id(rest, text))
    if kind == "candles":
        instrument_id, _, granularity = rest.partition(":")
        return CandlesTopic(parse_instrument_id(instrument_id, text), parse_granularity(granularity))
    if kind == "proposal":
        return parse_proposal(rest, text)
    if kind == "contract_price":
        return parse_contract_price(rest, text)
    if kind in ACCOUNT_TOPICS:
        return ACCOUNT_TOPICS[kind](parse_account_uuid(rest, text))
    if kind in LIST_TOPICS:
        account_uuid, separator, contract_id = rest.partition(":")
        if separator and CONTRACT_ID.fullmatch(contract_id) is None:
            raise InvalidTopicError(f"topic {quoted(text)}: contract {quoted(contract_id)} is not 1 to 64 letters, digits and '-'")
        return LIST_TOPICS[kind](parse_account_uuid(account_uuid, text), contract_id)
    if text == "admin":
        return AdminTopic()
    raise InvalidTopicError(f"topic {quoted(text)} is none of {', '.join(map(repr, FORMS))}")


def parse_proposal(rest: str, topic: str) -> ProposalTopic:
    """
    Read what follows `proposal:`; whether the instrument exists and what the product allows is for the server to say.

    Raises:
        InvalidTopicError: a part is missing or cannot be read.
    """
    parts = rest.split(":")
    currency = DEFAULT_CURRENCY
    if len(parts) > 6 and CURRENCY.fullmatch(parts[4]) is not None:
        currency = parts.pop(4)
    if len(parts) not in (6, 7):
        raise InvalidTopicError(f"topic {quoted(topic)} is not of the form {FORMS[2]!r}")
    product_id, instrument_id, duration, unit, stake, allow_equals = parts[:6]
    return ProposalTopic(
        parse_choice(product_id, PRODUCT_IDS, "product", topic),
        parse_instrument_id(instrument_id, topic),
        parse_duration(duration, topic),
        parse_choice(unit, DURATION_UNITS, "unit", topic),
        parse_number(stake, "stake", topic),
        parse_choice(allow_equals, ALLOW_EQUALS, "allow_equals", topic),
        parse_barrier(parts[6], "barrier", topic) if len(parts) == 7 else None,
        currency,
    )


def parse_contract_price(rest: str, topic: str) -> ContractPriceTopic:
    """
    Read what follows `contract_price:`; whether there are the instrument and the currency is for the server to say.

    Raises:
        InvalidTopicError: a part is missing or cannot be read.
    """
    parts = rest.split(":")
    if len(parts) not in (6, 7):
        raise InvalidTopicError(f"topic {quoted(topic)} is not of the form {FORMS[3]!r}")
    trade_type, instrument_id, duration, unit, currency, payout = parts[:6]
    if CURRENCY.fullmatch(currency) is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: currency {quoted(currency)} is not a code of 3 to 5 capital letters")
    return ContractPriceTopic(
        parse_choice(trade_type, TRADE_TYPES, "trade type", topic),
        parse_instrument_id(instrument_id, topic),
        parse_duration(duration, topic),
        parse_choice(unit, DURATION_UNITS, "unit", topic),
        currency,
        parse_number(payout, "payout", topic),
        parse_barrier(parts[6], "strike", topic) if len(parts) == 7 else None,
    )


def parse_choice(text: str, choices: Mapping[str, Choice], name: str, topic: str) -> Choice:
    """
    Return what a text stands for.

    Raises:
        InvalidTopicError: it is none of the choices.
    """
    if text not in choices:
        raise InvalidTopicError(f"topic {quoted(topic)}: {name} {quoted(text)} is none of {', '.join(choices)}")
    return choices[text]


def parse_duration(text: str, topic: str) -> int:
    """
    Return how many units a duration has.

    Raises:
        InvalidTopicError: the text is not a whole number above 0.
    """
    if DURATION.fullmatch(text) is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: duration {quoted(text)} is not a whole number above 0 of at most 9 digits")
    return int(text)


def parse_number(text: str, name: str, topic: str) -> Decimal:
    """
    Return an amount of money without needless zeros.

    Raises:
        InvalidTopicError: the text is not a number in decimal notation, without a sign.
    """
    number = read_number(text)
    if number is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: {name} {quoted(text)} is not a number in decimal notation of at most 12 digits")
    return Decimal(shortest(number))


def parse_barrier(text: str, name: str, topic: str) -> str:
    """
    Return a barrier without needless zeros.

    Raises:
        InvalidTopicError: the text is not a number in decimal notation, with or without a sign.
    """
    barrier = read_barrier(text)
    if barrier is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: {name} {quoted(text)} is neither a price nor an offset with its sign")
    return barrier


def parse_instrument_id(text: str, topic: str) -> str:
    """
    Return an instrument's id as it stands in a topic.

    Raises:
        InvalidTopicError: the text is not 1 to 64 letters, digits, `_`, `.` and `-`.
    """
    if INSTRUMENT_ID.fullmatch(text) is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: instrument {quoted(text)} is not 1 to 64 letters, digits, '_', '.' and '-'")
    return text


def parse_account_uuid(text: str, topic: str) -> str:
    """
    Return an account's uuid as it stands in a topic.

    Raises:
        InvalidTopicError: the text is not 1 to 64 letters, digits and `-`.
    """
    if ACCOUNT_UUID.fullmatch(text) is None:
        raise InvalidTopicError(f"topic {quoted(topic)}: account {quoted(text)} is not 1 to 64 letters, digits and '-'")
    return text


def parse_granularity(text: str) -> int:
    """
    Return a granularity in seconds.

    Raises:
        InvalidTopicError: the text is none of `GRANULARITIES`.
    """
    for granularity in GRANULARITIES:
        if text == str(granularity):
            return granularity
    raise InvalidTopicError(f"granularity {quoted(text)} is none of {', '.join(map(str, GRANULARITIES))} seconds")
