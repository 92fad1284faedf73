"""Errors as the HTTP surface shows them: a code for programs, a message for people."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.types import Send

from pricewire.errors import (
    AccountError,
    AccountSuspendedError,
    BusError,
    ContractNotSellableError,
    DatabaseError,
    ExposureLimitError,
    FencedError,
    IdempotencyConflictError,
    InsufficientBalanceError,
    InvalidProposalError,
    InvalidTopicError,
    JournalError,
    MarketClosedError,
    PriceMovedError,
    PricewireError,
    SpanTooLongError,
    StreamRefusedError,
    TooManyAttemptsError,
    TooManyContractsError,
    TooManyPurchasesError,
    TradeRefusedError,
    UnavailableError,
    UnknownContractError,
    UnknownInstrumentError,
)
from pricewire.protocol.accounting_messages import TRANSACTION_KINDS
from pricewire.protocol.messages import ErrorBody, error_body
from pricewire.protocol.trading_messages import DurationUnit, ProductId, Variant
from pricewire.server.strict_request import FAULT
from pricewire.server.transport.offer import EXTENSION

logger = logging.getLogger(__name__)

CODES = {
    400: "INVALID_PARAMETERS",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "REQUEST_TOO_LARGE",
    414: "REQUEST_TOO_LARGE",
    429: "RATE_LIMIT_EXCEEDED",
    431: "REQUEST_TOO_LARGE",
}

CONFLICTS: dict[type[TradeRefusedError], str] = {
    InsufficientBalanceError: "INSUFFICIENT_BALANCE",
    IdempotencyConflictError: "IDEMPOTENCY_CONFLICT",
    PriceMovedError: "PRICE_MOVED",
    TooManyContractsError: "TOO_MANY_CONTRACTS",
    ExposureLimitError: "EXPOSURE_LIMIT",
    ContractNotSellableError: "CONTRACT_NOT_SELLABLE",
    MarketClosedError: "MARKET_CLOSED",
}
"""What may stand in the way of a trade."""

INVALID = {400: ResponseSpec(ErrorBody, description="A parameter is missing or wrong; the message says which.", generate_examples=False)}
REFUSED = {
    429: ResponseSpec(
        ErrorBody,
        description="A limit of the server is reached; the message says which. `Retry-After` says in how many seconds to try again.",
        generate_examples=False,
    )
}
UNKNOWN = {404: ResponseSpec(ErrorBody, description="There is no such instrument, contract or account.", generate_examples=False)}
CONFLICT = {409: ResponseSpec(ErrorBody, description="It cannot be traded now; the code says why.", generate_examples=False)}
UNAVAILABLE = {503: ResponseSpec(ErrorBody, description="The database does not answer, or the server stops.", generate_examples=False)}


CHOICES: dict[str, tuple[str, ...]] = {
    "product_id": get_args(ProductId),
    "duration_unit": get_args(DurationUnit),
    "variant": get_args(Variant),
    "kind": TRANSACTION_KINDS,
    "format": ("json", "csv"),
}
"""The values of members and parameters that have only a few; msgspec's message does not name them."""


TOO_LARGE = "the body of the request exceeds the limit of {limit} bytes"
"""What is said of a body that is too large."""

CLIENT_GONE = "client disconnected prematurely"
"""What the framework says of a client that breaks off its request, as a failure of the server's, and without a class of its own for it."""


class InvalidParametersError(HTTPException):
    """A request's parameters cannot be served."""

    status_code = 400


class UnauthorizedError(HTTPException):
    """A request needs a token, or the one that it carries is not valid."""

    status_code = 401


class ForbiddenError(HTTPException):
    """A request's token is not for this."""

    status_code = 403


class UnknownError(HTTPException):
    """There is nothing of that name."""

    status_code = 404


def problem(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response[ErrorBody]:
    """Return an error response."""
    body = error_body(code or CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETERS"), message)
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def send_problem(send: Send, status: int, code: str, message: str, headers: Mapping[str, str]) -> None:
    """Send an error response from where there is no framework yet."""
    body = msgspec.json.encode(error_body(code, message))
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def on_validation_error(request: Request[Any, Any, Any], error: ValidationException) -> Response[ErrorBody]:
    """Say which parameters are wrong, and how."""
    extra = error.extra if isinstance(error.extra, list) else []
    if (fault := request.scope["state"].get(FAULT)) is not None:
        extra = [fault]
    return problem(400, "; ".join(described(fault) for fault in extra if isinstance(fault, dict)) or error.detail)


def described(fault: dict[str, Any]) -> str:
    """Return what is wrong with a parameter, and what it may be where that is one of a few."""
    key, message = str(fault.get("key", "body")), str(fault.get("message", "is invalid"))
    if key == "data" and message == "'data'":
        return "the request has no body: send one in JSON"
    # In a body the member's path stands at the end of the message.
    name = re.findall(r"\w+", message if "$" in message else key)[-1:]
    choices = CHOICES.get("".join(name)) if "enum" in message else None
    return f"{key}: {message}" + (f"; give one of {', '.join(choices)}" if choices else "")


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """Show an error of the framework in the surface's form."""
    if error.detail == CLIENT_GONE:
        return problem(400, "the request ended within its body")
    if error.status_code >= 500:
        return on_failure(request, error)
    message = error.detail
    if error.status_code == 404 and message == "Not Found":
        message = f"there is no {request.url.path}; GET /schema lists what there is"
    if error.status_code == 413:
        return on_body_too_large(request)
    return problem(error.status_code, message, headers=error.headers)


def on_body_too_large(request: Request[Any, Any, Any]) -> Response[ErrorBody]:
    """Answer 413 to a body that is not read to its end."""
    limit = request.route_handler.resolve_request_max_body_size()
    # Our own protocol closes the connection so that the answer arrives; others would read the rest for as long as it comes.
    headers = None if EXTENSION in (request.scope.get("extensions") or {}) else {"connection": "close"}
    return problem(413, TOO_LARGE.format(limit=limit), headers=headers)


def on_unknown(request: Request[Any, Any, Any], error: PricewireError) -> Response[ErrorBody]:
    """Answer 404."""
    return problem(404, str(error))


def on_invalid(request: Request[Any, Any, Any], error: InvalidTopicError | InvalidProposalError | SpanTooLongError) -> Response[ErrorBody]:
    """Answer 400."""
    return problem(400, str(error))


def on_nested_too_deeply(request: Request[Any, Any, Any], error: RecursionError) -> Response[ErrorBody]:
    """Answer 400 to a body that is nested so deeply that reading it gave up."""
    logger.warning("%s %s: the body is nested too deeply", request.method, request.url.path)
    return problem(400, "the body is nested too deeply")


def on_no_text(request: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[ErrorBody]:
    """Answer 400 to a body that is no UTF-8."""
    return problem(400, f"the body is no UTF-8, from byte {error.start} of a text in it on")


def on_refused(request: Request[Any, Any, Any], error: StreamRefusedError | TooManyAttemptsError) -> Response[ErrorBody]:
    """Answer 429, and say when to come again."""
    return problem(429, str(error), headers={"retry-after": str(error.retry_after)})


def on_trade_refused(request: Request[Any, Any, Any], error: TradeRefusedError) -> Response[ErrorBody]:
    """Answer 409 with what stands in the way, or 403, or 429 to who buys too often."""
    if isinstance(error, AccountSuspendedError):
        return problem(403, str(error))
    if isinstance(error, TooManyPurchasesError):
        return problem(429, str(error), headers={"retry-after": str(error.retry_after)})
    return problem(409, str(error), CONFLICTS[type(error)])


def on_unavailable(request: Request[Any, Any, Any], error: UnavailableError) -> Response[ErrorBody]:
    """Answer 503, and say when to come again."""
    return problem(503, str(error), "UNAVAILABLE", {"retry-after": str(error.retry_after)})


def on_database_error(request: Request[Any, Any, Any], error: DatabaseError) -> Response[ErrorBody]:
    """Answer 503 without any detail, which goes to the log."""
    logger.error("%s %s: %s", request.method, request.url.path, error)
    return problem(503, "the database does not answer; try again", "UNAVAILABLE", {"retry-after": "5"})


def on_journal_error(request: Request[Any, Any, Any], error: JournalError) -> Response[ErrorBody]:
    """Answer 503: prices that cannot be recorded are no ground for a trade. What is wrong goes to the log."""
    logger.error("%s %s: %s", request.method, request.url.path, error)
    return problem(503, "trading is paused, since prices cannot be recorded; try again", "UNAVAILABLE", {"retry-after": "5"})


def on_bus_error(request: Request[Any, Any, Any], error: BusError) -> Response[ErrorBody]:
    """Answer 503: nothing is traded at prices that may be older than what others have. That the bus is away is in the log by itself."""
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    status, code, message, headers = bus_problem()
    return problem(status, message, code, headers)


def bus_problem() -> tuple[int, str, str, dict[str, str]]:
    """Return the status, the code, the message and the headers of what is answered while the bus is away."""
    return 503, "UNAVAILABLE", "the bus does not answer; try again", {"retry-after": "1"}


def on_fenced_error(request: Request[Any, Any, Any], error: FencedError) -> Response[ErrorBody]:
    """Answer 503: another process has what was asked for, or will have it in a moment, which is no failure."""
    logger.info("%s %s: %s", request.method, request.url.path, error)
    return problem(503, "another process has this account now, or is about to; try again", "UNAVAILABLE", {"retry-after": "1"})


def is_refusal(error: Exception) -> bool:
    """Return whether a request was refused for what it asks for."""
    return isinstance(error, InvalidTopicError | UnknownInstrumentError) or (isinstance(error, HTTPException) and error.status_code == 400)


def on_failure(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorBody]:
    """Answer 500 without any detail, which goes to the log."""
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "the server failed; its log says why")


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    ValidationException: on_validation_error,
    HTTPException: on_http_error,
    UnknownInstrumentError: on_unknown,
    UnknownContractError: on_unknown,
    AccountError: on_unknown,
    InvalidTopicError: on_invalid,
    InvalidProposalError: on_invalid,
    SpanTooLongError: on_invalid,
    TradeRefusedError: on_trade_refused,
    DatabaseError: on_database_error,
    UnavailableError: on_unavailable,
    JournalError: on_journal_error,
    BusError: on_bus_error,
    FencedError: on_fenced_error,
    StreamRefusedError: on_refused,
    TooManyAttemptsError: on_refused,
    UnicodeDecodeError: on_no_text,
    RecursionError: on_nested_too_deeply,
    Exception: on_failure,
}
