"""
The errors of Pricewire, all below one base class.

    PricewireError
    ├── MissingExtraError         a package is needed that an extra of Pricewire brings
    ├── NativeCodeError           the compiled code is needed and not there
    ├── ProtocolError             what was read or is to be written does not fit the event stream format
    │   └── EventTooLargeError    an event exceeds the decoder's limit; also a ClientError
    ├── InvalidTopicError         a topic's text cannot be read
    ├── FeedError                 a feed or a recording cannot be used
    │   └── TickRejectedError     a tick of a feed is held back
    ├── RecordingError            a recording cannot be written or continued
    ├── JournalError              the journal of ticks cannot be used
    ├── SpanTooLongError          a history of a shorter span has to be asked for
    ├── BusError                  a bus cannot be reached or used
    │   ├── FencedError           another process has become the writer of a partition
    │   └── FrameError            what came from a bus cannot be read
    ├── WorkerError               a process that belongs to this one could not start
    ├── UnknownInstrumentError    no feed has this instrument
    ├── StreamRefusedError        a stream or a request would exceed a limit of the server
    ├── UnavailableError          something that a request needs does not answer at the moment
    ├── DatabaseError             the database cannot be reached or used
    ├── AccountError              there is no such account, or there is one already
    ├── TradeRefusedError         a purchase or sale cannot be made
    │   ├── InsufficientBalanceError   the account has less than the price
    │   ├── AccountSuspendedError      the account may not trade
    │   ├── IdempotencyConflictError   the idempotency key was used for another purchase
    │   ├── PriceMovedError            the contract pays less than the buyer accepts
    │   ├── TooManyContractsError      the account has as many open contracts as it may have
    │   ├── ExposureLimitError         open contracts could win more than they may
    │   ├── TooManyPurchasesError      the account buys too often
    │   ├── ContractNotSellableError   the contract is not open any more
    │   └── MarketClosedError          no prices are coming that could be traded at
    ├── InvalidProposalError      what was asked for is not offered; the text says what is
    ├── UnknownContractError      the account has no such contract
    ├── InvalidTokenError         a token is not valid
    ├── TooManyAttemptsError      too many passwords were tried
    └── ClientError               what a client's `on_error` receives and its iterator raises
        ├── ConnectError          no connection could be made, or it broke
        ├── HTTPStatusError       the server answered with another status than 200
        ├── ContentTypeError      the server answered with something else than an event stream
        ├── TokenError            the token provider brought no token
        ├── TradeUncertainError   whether something was bought or sold is not known
        ├── StreamError           the server ended the stream and said why
        ├── DecodeError           a message does not fit its type
        ├── BufferOverflowError   a subscription's reader fell behind further than its buffer reaches
        ├── CallbackError         a callback of the user raised
        └── ReconnectExhausted    all attempts to reconnect failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

QUOTED = 100
"""How many characters of what a user sent an error quotes: as long as the longest sensible topic."""


class PricewireError(Exception):
    """The base of every error that Pricewire raises."""


def quoted(value: object, most: int = QUOTED) -> str:
    """Return a value as an error names it: a text in quotation marks, escaped; of a long one so many characters, and its length."""
    text = value if isinstance(value, str) else str(value)
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text)} characters)"


class MissingExtraError(PricewireError, ModuleNotFoundError):
    """
    A package is needed that Pricewire does not install by itself; the text has the command that brings it.

    Attributes:
        module: the module that is missing.
        extra: the extra of Pricewire that brings it.
    """

    def __init__(self, what: str, module: str, extra: str) -> None:
        super().__init__(f"{what} needs {module}, which is not installed: pip install 'pricewire[{extra}]'", name=module)
        self.module = module
        self.extra = extra


class NativeCodeError(PricewireError, ImportError):
    """The compiled code is asked for and cannot be used; the text says what to do."""


class ProtocolError(PricewireError):
    """What was read or is to be written does not fit the event stream format."""


class InvalidTopicError(PricewireError):
    """A topic's text cannot be read."""


class FeedError(PricewireError):
    """A feed or a recording cannot be used."""


class TickRejectedError(FeedError):
    """
    A tick of a feed is held back.

    Attributes:
        reason: why, in a word: `path`, `price`, `crossed`, for instance.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class RecordingError(PricewireError):
    """A recording cannot be written or continued."""


class JournalError(PricewireError):
    """The journal of ticks cannot be opened or written."""


class SpanTooLongError(PricewireError):
    """
    For a history of this span, more would have to be read than a request may have read.

    Attributes:
        limit: how much it may.
    """

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(f"this span has more than the limit of {limit}: ask for a shorter one, or without from_epoch_ms for the newest")


class BusError(PricewireError):
    """A bus cannot be reached or used."""


class FencedError(BusError):
    """A process may write a partition no more, as another one does, or is to: it has to end, or to stand by."""


class FrameError(BusError):
    """What came from a bus cannot be read; the text says why."""


class WorkerError(PricewireError):
    """A process that belongs to this one could not start; the text says which, and how it ended."""


class UnknownInstrumentError(PricewireError):
    """
    No feed has this instrument.

    Attributes:
        instrument_id: the id that was asked for.
    """

    def __init__(self, instrument_id: str) -> None:
        super().__init__(f"there is no instrument {quoted(instrument_id)}; GET /v1/market/instruments lists those there are")
        self.instrument_id = instrument_id


class StreamRefusedError(PricewireError):
    """
    A new stream, or what is asked of an open one or by a request, would exceed a limit of the server.

    Attributes:
        reason: which limit, as the metric `pricewire_refusals_total` has it: `address`, `process` or `rate`, for instance.
        retry_after: when to try again, in whole seconds.
    """

    def __init__(self, reason: str, message: str, retry_after: int) -> None:
        super().__init__(f"{message}; try again in {retry_after} s")
        self.reason = reason
        self.retry_after = retry_after


class UnavailableError(PricewireError):
    """
    Something that a request needs does not answer at the moment.

    Attributes:
        retry_after: when to try again, in seconds.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidTokenError(PricewireError):
    """A token is not valid; the text says why, and holds nothing of the token."""


class TooManyAttemptsError(PricewireError):
    """
    Too many passwords were tried, for an account or from an address.

    Attributes:
        retry_after: when to try again, in whole seconds.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts to log in; try again in {retry_after} s")
        self.retry_after = retry_after


class DatabaseError(PricewireError):
    """The database cannot be reached or used, or was made by a newer version; its text holds no password."""


class AccountError(PricewireError):
    """There is no such account, or there is one already."""


class TradeRefusedError(PricewireError):
    """A purchase or sale cannot be made."""


class InsufficientBalanceError(TradeRefusedError):
    """
    The account has less than the price.

    Attributes:
        balance: what the account has, in its currency.
        price: what was to be paid.
    """

    def __init__(self, balance: Decimal, price: Decimal, currency: str) -> None:
        super().__init__(f"the balance of {balance} {currency} is less than the price of {price} {currency}; choose a lower stake")
        self.balance = balance
        self.price = price


class AccountSuspendedError(TradeRefusedError):
    """The account may not trade."""

    def __init__(self) -> None:
        super().__init__("the account is suspended and cannot buy; ask the operator")


class IdempotencyConflictError(TradeRefusedError):
    """
    The idempotency key was used for another purchase.

    Attributes:
        key: the key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key!r} was used for another purchase; take a new key for each purchase")
        self.key = key


class PriceMovedError(TradeRefusedError):
    """
    The contract pays less than the buyer accepts.

    Attributes:
        payout: what it pays now.
        least: what the buyer accepts at least.
        currency: of both.
    """

    def __init__(self, payout: Decimal, least: Decimal, currency: str) -> None:
        super().__init__(
            f"the payout is {payout:f} {currency} now, and you accept {least:f} at least; look at the proposal again, or take a "
            "higher tolerance"
        )
        self.payout = payout
        self.least = least
        self.currency = currency


class TooManyContractsError(TradeRefusedError):
    """
    The account has as many open contracts as it may have.

    Attributes:
        limit: how many these are.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"the account has {limit} open contracts, its limit; sell one, or wait until one expires")
        self.limit = limit


class ExposureLimitError(TradeRefusedError):
    """
    With this one, open contracts could win more than they may.

    Attributes:
        limit: how much they may win.
        currency: its currency.
    """

    def __init__(self, which: str, limit: Decimal, currency: str) -> None:
        super().__init__(f"{which} may win {limit:f} {currency}, and could win more with this one; choose a lower stake, or buy later")
        self.limit = limit
        self.currency = currency


class TooManyPurchasesError(TradeRefusedError):
    """
    The account buys too often.

    Attributes:
        retry_after: when to try again, in whole seconds.
    """

    def __init__(self, per_second: float, retry_after: int) -> None:
        super().__init__(f"the account may make {per_second:g} purchases per second, its limit; try again in {retry_after} s")
        self.retry_after = retry_after


class ContractNotSellableError(TradeRefusedError):
    """
    The contract cannot be sold.

    Attributes:
        contract_id: which contract.
        detail: why not.
    """

    def __init__(self, contract_id: str, detail: str) -> None:
        super().__init__(f"the contract {contract_id} cannot be sold: {detail}")
        self.contract_id = contract_id
        self.detail = detail


class MarketClosedError(TradeRefusedError):
    """
    No prices are coming that could be traded at.

    Attributes:
        instrument_id: of which instrument.
        detail: why not.
    """

    def __init__(self, instrument_id: str, detail: str) -> None:
        super().__init__(f"{instrument_id} cannot be traded now: {detail}")
        self.instrument_id = instrument_id
        self.detail = detail


class InvalidProposalError(PricewireError):
    """What was asked for is not offered; the text says what is."""


class UnknownContractError(PricewireError):
    """
    The account has no such contract.

    Attributes:
        contract_id: the id that was asked for.
    """

    def __init__(self, contract_id: str) -> None:
        super().__init__(f"the account has no contract {quoted(contract_id)}")
        self.contract_id = contract_id


class ClientError(PricewireError):
    """
    What a client's `on_error` receives, and what its iterator raises when it cannot go on.

    No text of these errors holds a request's headers or the query of its address, where tokens and tickets would stand.
    """


class EventTooLargeError(ProtocolError, ClientError):
    """
    An event exceeds the decoder's limit. Where a client reads it, the stream ends at once: the next connection would bring the same event.

    Attributes:
        size: how much of the event had arrived, in bytes.
        limit: the most that the decoder accepts, in bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"event of at least {size} bytes exceeds the limit of {limit} bytes")
        self.size = size
        self.limit = limit


class ConnectError(ClientError):
    """
    No connection could be made, or it broke, ended, or fell silent.

    Attributes:
        url: the stream's address, without its query.
        detail: what happened.
    """

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(f"connection to {url}: {detail}")
        self.url = url
        self.detail = detail


class HTTPStatusError(ClientError):
    """
    The server answered with another status than 200.

    Attributes:
        url: the stream's address, without its query.
        status: the response's status.
        headers: the response's headers, with names in lower case.
        body: the beginning of the response's body, in bytes as they came.
        code: the code in the body, where it has the form of Pricewire's errors: `NOT_FOUND`, for instance.
        message: the message in the body, likewise.
    """

    def __init__(
        self,
        url: str,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        text = f"{url} answered with status {status}"
        if code is not None:
            text += f", {code}: {message}"
        super().__init__(text)
        self.url = url
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.code = code
        self.message = message


class ContentTypeError(ClientError):
    """
    The server answered with something else than an event stream.

    Attributes:
        url: the stream's address, without its query.
        content_type: what the response called itself; None where it did not.
    """

    def __init__(self, url: str, content_type: str | None) -> None:
        named = "no content type" if content_type is None else f"content type {content_type!r}"
        super().__init__(f"{url} answered with {named}; a stream has 'text/event-stream'")
        self.url = url
        self.content_type = content_type


class TokenError(ClientError):
    """
    The token provider brought no token.

    Attributes:
        detail: what happened.
        is_final: whether asking again would not help, since it is not a provider of tokens at all. Then a stream ends with this error.
    """

    def __init__(self, detail: str, *, is_final: bool = False) -> None:
        super().__init__(f"the token provider brought no token: {detail}")
        self.detail = detail
        self.is_final = is_final


class TradeUncertainError(ClientError):
    """
    A purchase or a sale was asked for, and no answer came that says what became of it.

    Attributes:
        idempotency_key: of a purchase: buying the same again with this key buys it once, whatever became of it; None for a sale.
        detail: what happened last.
    """

    def __init__(self, what: str, idempotency_key: str | None, detail: str) -> None:
        advice = "see contracts()" if idempotency_key is None else f"buy the same with idempotency_key={idempotency_key!r} to learn it"
        super().__init__(f"whether the {what} took place is not known: {detail}; {advice}")
        self.idempotency_key = idempotency_key
        self.detail = detail


class StreamError(ClientError):
    """
    The server ended the stream and said why, in an event `error`.

    Attributes:
        code: for programs, `TOKEN_EXPIRED` for instance.
        message: for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the server ends the stream, {code}: {message}")
        self.code = code
        self.message = message


class DecodeError(ClientError):
    """
    A message does not fit its type.

    Attributes:
        topic: the topic that it came for; empty where not even that could be read.
        data: the event's data, whole.
        detail: what does not fit, and where.
    """

    def __init__(self, topic: str, data: str, detail: str) -> None:
        super().__init__(f"message of topic {topic or 'unknown'} does not fit: {detail}")
        self.topic = topic
        self.data = data
        self.detail = detail


class BufferOverflowError(ClientError):
    """
    A subscription's reader fell behind further than its buffer reaches.

    Attributes:
        limit: how many messages the buffer holds.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} messages wait to be read; read faster, or subscribe with a larger buffer or another overflow")
        self.limit = limit


class CallbackError(ClientError):
    """
    A callback of the user raised; the cause of this error is what it raised.

    Attributes:
        callback: which one, `on_message` for instance.
    """

    def __init__(self, callback: str, error: BaseException) -> None:
        super().__init__(f"callback {callback} raised {type(error).__name__}: {error}")
        self.callback = callback


class ReconnectExhausted(ClientError):  # noqa: N818 - it says what has come to an end
    """
    All attempts to reconnect failed.

    Attributes:
        causes: why each connection since the last event failed, oldest first.
    """

    def __init__(self, causes: Sequence[ClientError]) -> None:
        last = f", the last: {causes[-1]}" if causes else ""
        super().__init__(f"gave up after {len(causes)} failed connections in a row{last}")
        self.causes = tuple(causes)
