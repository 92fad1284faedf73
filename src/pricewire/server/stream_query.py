"""What a stream of `/sse` is to carry, by the parameters of its address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from pricewire.errors import InvalidTopicError, quoted
from pricewire.hub.event import Format, envelope, plain
from pricewire.protocol.admin_messages import AdminBody
from pricewire.protocol.free_topics import AnyTopic, FreeTopic, TopicPattern, read_topic
from pricewire.protocol.messages import MAX_INTERVAL_MS, CandleBody, TickBody
from pricewire.protocol.topics import (
    AdminTopic,
    BalanceTopic,
    CandlesTopic,
    ClosedContractsTopic,
    ContractListTopic,
    ContractPriceTopic,
    ContractsTopic,
    OpenContractsTopic,
    ProposalTopic,
    TicksTopic,
    Topic,
    parse_topic,
)
from pricewire.protocol.trading_messages import BalanceBody, ClosedContractsBody, ContractBody, ContractPrice, ContractsBody, ProposalBody
from pricewire.server.formats import instrument_price_format, narrow_format
from pricewire.server.http_errors import InvalidParametersError
from pricewire.trading.durations import parse_duration

IntervalMs = Annotated[int, QueryParameter(ge=0, le=MAX_INTERVAL_MS, description="At most one update per topic in so many milliseconds.")]

Fields = Annotated[
    str | None,
    QueryParameter(description="Only these members of the data, separated by commas (`fields=price,epoch_ms`): fewer bytes for a phone."),
]

BODIES: dict[type[Topic], type[msgspec.Struct]] = {
    TicksTopic: TickBody,
    CandlesTopic: CandleBody,
    ProposalTopic: ProposalBody,
    ContractPriceTopic: ContractPrice,
    ContractsTopic: ContractBody,
    OpenContractsTopic: ContractsBody,
    ClosedContractsTopic: ClosedContractsBody,
    BalanceTopic: BalanceBody,
    AdminTopic: AdminBody,
}
"""What the events of each kind of topic hold."""


class StreamQuery:
    """
    What a stream is to carry.

    Attributes:
        topics: as they were asked for.
        form: how events are shown.
        names: the topics as the request wrote them, where named events come beside the data; None where they do not.
        interval_ms: at most one update per topic in so many milliseconds.
    """

    __slots__ = ("form", "interval_ms", "names", "topics")

    def __init__(self, topics: Sequence[AnyTopic], form: Format, *, interval_ms: int, names: Sequence[str] | None = None) -> None:
        self.topics = topics
        self.form = form
        self.names = names
        self.interval_ms = interval_ms


async def provide_stream_query(
    action: Annotated[str | None, QueryParameter(description="`instrument_price` or `contract_price`; or give topics.")] = None,
    topic: Annotated[list[str] | None, QueryParameter(description="`ticks:R_100`, for instance; may be repeated.")] = None,
    instrument_id: Annotated[list[str] | None, QueryParameter(description="With `instrument_price`: whose; may be repeated.")] = None,
    duration: Annotated[str | None, QueryParameter(description="With `contract_price`: how long, `5m` for instance.")] = None,
    instrument: Annotated[str | None, QueryParameter(description="With `contract_price`: on whose price.")] = None,
    trade_type: Annotated[str | None, QueryParameter(description="With `contract_price`: `CALL`, `PUT`, `TOUCH` or `NOTOUCH`.")] = None,
    currency: Annotated[str | None, QueryParameter(description="With `contract_price`: of the payout.")] = None,
    payout: Annotated[str | None, QueryParameter(description="With `contract_price`: what it would pay.")] = None,
    strike: Annotated[str | None, QueryParameter(description="With `contract_price`: a price, or an offset with its sign.")] = None,
    interval_ms: IntervalMs = 0,
    fields: Fields = None,
) -> StreamQuery:
    """Return what the parameters ask for."""
    if action is None:
        if not topic:
            raise InvalidParametersError("give topic=… (may be repeated), or action=instrument_price and instrument_id=…")
        return query_of(topic, interval_ms, fields)
    if topic:
        raise InvalidParametersError("action and topic exclude each other")
    if fields is not None:
        raise InvalidParametersError("fields goes with topic, not with action")
    if action == "instrument_price":
        if not instrument_id:
            raise InvalidParametersError("action=instrument_price needs instrument_id=…")
        return StreamQuery([TicksTopic(each) for each in instrument_id], instrument_price_format, interval_ms=interval_ms)
    if action != "contract_price":
        raise InvalidParametersError(f"action {quoted(action)} is neither instrument_price nor contract_price")
    asked = {"duration": duration, "instrument": instrument, "trade_type": trade_type, "currency": currency, "payout": payout}
    missing = [name for name, value in asked.items() if value is None]
    if missing or duration is None:
        raise InvalidParametersError(f"action=contract_price needs {', '.join(f'{name}=…' for name in missing)}")
    number, unit = parse_duration(duration)
    text = f"contract_price:{trade_type}:{instrument}:{number}:{unit}:{currency}:{payout}"
    price = parse_topic(text if strike is None else f"{text}:{with_sign(strike)}")
    return StreamQuery([price], plain, interval_ms=interval_ms)


def query_of(topics: Sequence[str], interval_ms: int, fields: str | None) -> StreamQuery:
    """
    Return the query for topics.

    Args:
        topics: as the request has them.
        interval_ms: at most one update per topic in so many milliseconds.
        fields: the names of the members to show, separated by commas; None for all.

    Raises:
        InvalidTopicError: one is no topic.
        InvalidParametersError: a name is none of the members'.
    """
    names = list(map(with_sign, topics))
    parsed = list(map(parse_requested, names))
    return StreamQuery(parsed, narrowed(envelope, fields, parsed), interval_ms=interval_ms, names=names)


def parse_requested(text: str) -> AnyTopic:
    """
    Read a topic that a client asks for by its name.

    A list of one contract has the ticks of its life, so each costs much more than the list of all. It has a stream of its own, and an
    account so many streams.

    Raises:
        InvalidTopicError: the text is no topic, or that of a list of one contract.
    """
    topic = read_topic(text)
    if isinstance(topic, ContractListTopic) and topic.contract_id:
        raise InvalidTopicError(f"topic {quoted(text)}: one contract has a stream of its own, at /v1/trading/contracts, with contract_id")
    return topic


def with_sign(text: str) -> str:
    """Return a text in which a `+` may stand that was sent as it is: in a query that means a space, which no topic has."""
    return text.replace(" ", "+")


def check_known(topics: Iterable[AnyTopic]) -> None:
    """
    Check that the members of the topics' data are known, so that a stream can show only some of them.

    Raises:
        InvalidParametersError: those of one are not: what others publish need not be an object, even.
    """
    if any(isinstance(topic, FreeTopic | TopicPattern) for topic in topics):
        raise InvalidParametersError("fields goes with topics whose members the server knows; it knows none of what others publish")


def narrowed(form: Format, fields: str | None, topics: Sequence[AnyTopic]) -> Format:
    """
    Return the format that shows only some members of the topics' data: `fields` has their names, separated by commas; None for all.

    Raises:
        InvalidParametersError: a name is none of the data's members.
    """
    if fields is None:
        return form
    check_known(topics)
    known = {name for topic in topics for name in BODIES[type(topic)].__struct_fields__}  # type: ignore[index]
    chosen = frozenset(fields.split(","))
    strangers = sorted(chosen - known)
    if strangers:
        raise InvalidParametersError(f"fields: {', '.join(map(quoted, strangers))} is none of {', '.join(sorted(known))}")
    return narrow_format(form, chosen)
