"""
The messages of trading on the wire, as typed objects: products, proposals, contracts, balances.

Amounts of money are decimals in JSON strings, with all decimals of their currency. The structs that hold some take their type for a
parameter: the server writes texts (`Amount`), because `Decimal("0E-8")` would not print as `0.00000000`; clients read decimals, with
`BalanceBody[Decimal]` for instance.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from pricewire.protocol.messages import InstrumentId, Price

Money = TypeVar("Money")

Amount = Annotated[str, msgspec.Meta(pattern=r"^[+\-]?[0-9]+(\.[0-9]+)?$(?!\n)", description="an amount of money in decimal notation")]
Stake = Annotated[
    Annotated[str, msgspec.Meta(max_length=64)] | float,
    msgspec.Meta(description="an amount of money in decimal notation, as a string or a number"),
]
Tolerance = Annotated[float, msgspec.Meta(ge=0, le=1, description="a part of an amount: 0.05 is 5 %")]
Barrier = Annotated[str, msgspec.Meta(max_length=64, description="a price (`1250.00`), or an offset from the spot with its sign (`+0.57`)")]

ProductId = Literal["rise_fall", "high_low", "touch"]
Variant = Literal["rise", "fall", "higher", "lower", "touch", "no_touch"]
DurationUnit = Literal["ticks", "seconds", "minutes", "hours", "days"]
TradeType = Literal["CALL", "PUT", "TOUCH", "NOTOUCH"]


class Product(msgspec.Struct, frozen=True):
    """A kind of contract."""

    id: ProductId
    display_name: str


class ProductsBody(msgspec.Struct, frozen=True):
    """All products."""

    products: list[Product]


class ProductDefaults(msgspec.Struct, frozen=True):
    """
    The defaults of a product's form.

    Attributes:
        product_id: the product.
        duration: how long the contract lasts, in units.
        duration_unit: the unit.
        allow_equals: whether an exit spot equal to the barrier wins.
        stake: what it costs, a JSON number.
        variants: the product's variants.
    """

    product_id: ProductId
    duration: int
    duration_unit: DurationUnit
    allow_equals: bool
    stake: float
    variants: list[Variant]


class DurationBounds(msgspec.Struct, frozen=True):
    """How many of a unit a duration may have."""

    min: int
    max: int


class DurationsAllowed(msgspec.Struct, frozen=True):
    """The durations that a product has."""

    supported_units: list[DurationUnit]
    ticks: DurationBounds
    seconds: DurationBounds
    minutes: DurationBounds
    hours: DurationBounds
    days: DurationBounds


class AmountBounds(msgspec.Struct, frozen=True):
    """The least and the highest amount, in the currency of `ProductConfig`."""

    min: Amount
    max: Amount


class ProductValidations(msgspec.Struct, frozen=True):
    """The limits that a purchase is checked against."""

    durations: DurationsAllowed
    stake: AmountBounds
    payout: AmountBounds


class ProductConfig(msgspec.Struct, frozen=True):
    """The defaults and the limits of a product's form."""

    defaults: ProductDefaults
    validations: ProductValidations


class ProposalDetails(msgspec.Struct, Generic[Money], frozen=True, gc=False):
    """
    What a contract would cost and pay if it were bought now.

    Attributes:
        payout: what it would pay.
        stake: what it would cost.
        probability: that it pays, between 0 and 1.
        pricing_spot: the price that it was computed from.
        barrier: as a price.
        allow_equals: whether an exit spot equal to the barrier would win.
        contract_expiry_time: when it would end, in milliseconds since 1970; of a duration in ticks, an estimate.
    """

    payout: Money
    stake: Money
    probability: float
    pricing_spot: Price
    barrier: Price
    allow_equals: bool
    contract_expiry_time: int


class ProposalVariant(msgspec.Struct, Generic[Money], frozen=True, gc=False):
    """A side of the product, and what it would cost and pay."""

    variant: Variant
    contract_details: ProposalDetails[Money]


class ProposalBody(msgspec.Struct, Generic[Money], frozen=True, gc=False):
    """The price of a contract that could be bought, for each of the product's variants."""

    variants: list[ProposalVariant[Money]]


class TickPoint(msgspec.Struct, frozen=True, gc=False):
    """A tick of a contract's life."""

    ask: Price
    bid: Price
    epoch_ms: int
    price: Price


class ContractDetails(msgspec.Struct, Generic[Money], frozen=True, gc=False, kw_only=True):
    """
    A bought contract as it is now. Times are in milliseconds since 1970; what is not known yet is null.

    Attributes:
        allow_equals: whether an exit spot equal to the barrier wins.
        barrier: as a price; before the entry perhaps as an offset.
        bid_price: what it can be sold for now; of a closed contract, what was got for it.
        bid_price_currency: the currency of all amounts.
        contract_expiry_time: when it ends; of a duration in ticks, an estimate.
        contract_start_time: when it was bought.
        duration: how long it lasts, in units.
        duration_unit: the unit.
        entry_spot: the price of the first tick after the purchase.
        entry_tick_time: that tick's time.
        exit_spot: the price of the last tick of its life.
        exit_tick_time: that tick's time.
        exit_time: when it was sold or expired.
        instrument_id: the underlying instrument.
        instrument_name: that instrument's name for people.
        is_expired: whether it has reached its end.
        is_refunded: whether its stake was given back, because the ticks that it needs did not come.
        is_sold: whether it was sold before.
        is_valid_to_sell: whether it can be sold now.
        potential_payout: what it pays if it wins.
        profit_loss: `bid_price` less the stake, always with its sign: `+12.57`, `-3.00`, `+0.00`.
        reference_id: the contract's name for people and receipts.
        stake: what was paid for it.
        variant: which side of the product.
        tick_stream: the ticks of its life, the newest 100, oldest first; in an event
            `contract_updated` and in a list of open contracts only the newest, in a list of closed ones none.
    """

    allow_equals: bool
    barrier: str | None
    bid_price: Money
    bid_price_currency: str
    contract_expiry_time: int
    contract_start_time: int
    duration: int
    duration_unit: DurationUnit
    entry_spot: Price | None
    entry_tick_time: int | None
    exit_spot: Price | None
    exit_tick_time: int | None
    exit_time: int | None
    instrument_id: InstrumentId
    instrument_name: str
    is_expired: bool
    is_refunded: bool
    is_sold: bool
    is_valid_to_sell: bool
    potential_payout: Money
    profit_loss: Money
    reference_id: str
    stake: Money
    variant: Variant
    tick_stream: list[TickPoint]


class ContractBody(msgspec.Struct, Generic[Money], frozen=True, gc=False):
    """A contract, open or closed."""

    contract_id: str
    product_id: ProductId
    contract_details: ContractDetails[Money]


class ContractsBody(msgspec.Struct, Generic[Money], frozen=True):
    """All open contracts of an account, oldest first."""

    contracts: list[ContractBody[Money]]


class Pagination(msgspec.Struct, frozen=True):
    """Which part of a list this is, counted from 1."""

    current_page: int
    limit: int
    total_items: int
    total_pages: int


class ClosedContractsBody(msgspec.Struct, Generic[Money], frozen=True):
    """Closed contracts of an account, newest first."""

    contracts: list[ContractBody[Money]]
    pagination: Pagination


class BalanceBody(msgspec.Struct, Generic[Money], frozen=True):
    """What an account has, when that was known, in milliseconds since 1970, and by how much the last transaction changed it."""

    balance: Money
    currency: str
    timestamp: int
    change: Money


class PurchaseDetails(msgspec.Struct, frozen=True, kw_only=True):
    """
    The contract to buy.

    Attributes:
        instrument_id: the underlying instrument.
        duration: how long it is to last, in units.
        duration_unit: the unit.
        allow_equals: whether an exit spot equal to the barrier is to win.
        stake: what it is to cost.
        variant: which side of the product.
        payout: what the buyer was shown. The purchase is refused where it pays less now, by more than the tolerance; where it pays more,
            the buyer gets that.
        tolerance: by how much the payout may have fallen, as a part of it: 0 for not at all, 0.05 by default.
        barrier: where the product has one and the buyer wants another than the default.
    """

    instrument_id: InstrumentId
    duration: int
    duration_unit: DurationUnit
    allow_equals: bool = False
    stake: Stake
    variant: Variant
    payout: Stake | None = None
    tolerance: Tolerance | None = None
    barrier: Barrier | None = None


class PurchaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    A purchase.

    Attributes:
        idempotency_key: made by the client; repeated, it gets the first answer and buys nothing more.
        product_id: what kind of contract.
        proposal_details: the contract.
    """

    idempotency_key: Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,128}$(?!\n)")]
    product_id: ProductId
    proposal_details: PurchaseDetails


class Purchased(msgspec.Struct, Generic[Money], frozen=True):
    """The answer to a purchase; times are in milliseconds since 1970."""

    idempotency_key: str
    contract_id: str
    product_id: ProductId
    buy_price: Money
    buy_time: int
    contract_details: ContractDetails[Money]


class Sold(msgspec.Struct, Generic[Money], frozen=True):
    """The answer to a sale; times are in milliseconds since 1970."""

    contract_id: str
    product_id: ProductId
    buy_price: Money
    buy_time: int
    sell_price: Money
    sell_time: int
    profit: Money
    contract_details: ContractDetails[Money]


class PricingParameters(msgspec.Struct, Generic[Money], frozen=True):
    """
    What a contract's price was computed from.

    Attributes:
        commission_percent: of the payout, in percent.
        commission_amount: the same as an amount.
        volatility: annual; 1.0 is 100 %.
        spot_price: the price of the instrument.
        duration_in_years: of 365 days.
    """

    commission_percent: float
    commission_amount: Money
    volatility: float
    spot_price: Price
    duration_in_years: float


class ContractPrice(msgspec.Struct, Generic[Money], frozen=True):
    """
    What a contract with a given payout costs, as `action=contract_price` sends it.

    Attributes:
        date_start: now, in seconds since 1970.
        date_expiry: when the contract would end, in seconds since 1970.
        spot: the price of the instrument.
        strike: the barrier.
        price: what the contract costs.
        trade_type: `CALL` wins above the strike, `PUT` below, `TOUCH` where the price reaches it, `NOTOUCH` where it does not.
        instrument: the underlying instrument.
        currency: of the amounts.
        payout: what the contract would pay.
        pricing_parameters: what the price was computed from.
    """

    date_start: int
    date_expiry: int
    spot: Price
    strike: Price
    price: Money
    trade_type: TradeType
    instrument: InstrumentId
    currency: str
    payout: Money
    pricing_parameters: PricingParameters[Money]
