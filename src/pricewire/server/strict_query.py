"""Strict parameters of queries: no value is taken for another one."""

from __future__ import annotations

from litestar.enums import ParamType
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition

from pricewire.errors import quoted
from pricewire.server.auth.dependencies import AnyRequest, refuse_token_in_address
from pricewire.server.strict_request import WHOLE_NUMBER


class StrictQuery:
    """
    Comes before each request's handler, and refuses a token, a whole number that is not written in digits alone, and two values of a
    parameter that has one.

    The framework would take `1e3` and `1000.0` for 1000, and the last of two values, while a proxy in front of the server may have
    checked the first.
    """

    def __init__(self) -> None:
        # Of one application: known to the module, its handlers would keep it in memory for as long as the process lives.
        self._parameters: dict[BaseRouteHandler, dict[str, FieldDefinition]] = {}

    async def __call__(self, request: AnyRequest) -> None:
        """
        Check a request's query.

        Raises:
            InvalidParametersError: there is a token in it.
            ValidationException: there is such a parameter.
        """
        if not request.scope["query_string"]:
            return
        refuse_token_in_address(request)
        handler = request.route_handler
        known = self._parameters.get(handler)
        if known is None:
            known = self._parameters[handler] = parameters(handler)
        values: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            values.setdefault(name, []).append(value)
        faults = []
        for name, field in known.items():
            given = values.get(name, [])
            if len(given) > 1 and not field.is_non_string_sequence:
                faults.append({"key": name, "message": f"there are {len(given)} of it; give one"})
            elif is_whole(field):
                faults += [
                    {"key": name, "message": f"{quoted(value)} is no whole number; give digits alone, such as 10"}
                    for value in given
                    if WHOLE_NUMBER.fullmatch(value) is None
                ]
        if faults:
            raise ValidationException(extra=faults)


def parameters(handler: BaseRouteHandler) -> dict[str, FieldDefinition]:
    """Return the query parameters of a handler and of its dependencies, by name."""
    found: dict[str, FieldDefinition] = {}
    dependencies = handler.resolve_dependencies()
    signatures = [handler.parsed_fn_signature]
    while signatures:
        for name, field in signatures.pop().parameters.items():
            if name in dependencies:
                signatures.append(dependencies[name].parsed_fn_signature)
            elif isinstance(field.kwarg_definition, ParameterKwarg) and field.kwarg_definition.param_type is ParamType.QUERY:
                found[name] = field
    return found


def is_whole(field: FieldDefinition) -> bool:
    """Return whether a parameter is a whole number."""
    return field.annotation is int or any(inner.annotation is int for inner in field.inner_types)
