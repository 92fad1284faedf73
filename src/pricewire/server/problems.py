"""Errors as the HTTP surface shows them: a code for programs, a message for people."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec

from pricewire.errors import InvalidTopicError, StreamRefusedError, UnknownInstrumentError
from pricewire.protocol.messages import ErrorBody, ErrorDetail

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

INVALID = {400: ResponseSpec(ErrorBody, description="A parameter is missing or wrong; the message says which.", generate_examples=False)}
REFUSED = {
    429: ResponseSpec(
        ErrorBody,
        description="A limit of the server is reached; the message says which. `Retry-After` says in how many seconds to try again.",
        generate_examples=False,
    )
}
UNKNOWN = {404: ResponseSpec(ErrorBody, description="There is no such instrument.", generate_examples=False)}


class InvalidParametersError(HTTPException):
    """A request's parameters cannot be served."""

    status_code = 400


class UnknownStreamError(HTTPException):
    """There is no such stream."""

    status_code = 404


def problem(status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None) -> Response[ErrorBody]:
    """Return an error response."""
    body = ErrorBody(ErrorDetail(code or CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "INVALID_PARAMETERS"), message))
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def on_validation_error(request: Request[Any, Any, Any], error: ValidationException) -> Response[ErrorBody]:
    """Say which parameters are wrong, and how."""
    extra = error.extra if isinstance(error.extra, list) else []
    faults = [f"{fault.get('key', 'body')}: {fault.get('message', 'is invalid')}" for fault in extra if isinstance(fault, dict)]
    return problem(400, "; ".join(faults) or error.detail)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorBody]:
    """Show an error of the framework in the surface's form."""
    if error.status_code >= 500:
        return on_failure(request, error)
    message = error.detail
    if error.status_code == 404 and message == "Not Found":
        message = f"there is no {request.url.path}; GET /schema lists what there is"
    return problem(error.status_code, message, headers=error.headers)


def on_unknown_instrument(request: Request[Any, Any, Any], error: UnknownInstrumentError) -> Response[ErrorBody]:
    """Answer 404."""
    return problem(404, str(error))


def on_invalid_topic(request: Request[Any, Any, Any], error: InvalidTopicError) -> Response[ErrorBody]:
    """Answer 400."""
    return problem(400, str(error))


def on_stream_refused(request: Request[Any, Any, Any], error: StreamRefusedError) -> Response[ErrorBody]:
    """Answer 429, and say when to come again."""
    return problem(429, str(error), headers={"retry-after": str(error.retry_after)})


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
    UnknownInstrumentError: on_unknown_instrument,
    InvalidTopicError: on_invalid_topic,
    StreamRefusedError: on_stream_refused,
    Exception: on_failure,
}
