"""Requests whose bodies are read strictly: a text is no number."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect
from litestar import Request
from litestar.exceptions import SerializationException

WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
"""A whole number as text: the times in our own messages are written so, and readers give them back as they got them."""


FAULT = "pricewire.body_fault"
"""Where the state of a request has what is wrong with its body."""


class WrongBody:
    """Stands for a body that is not of the handler's type: a stranger is told that a token is missing, not what a body needs."""


class StrictRequest(Request[Any, Any, Any]):
    """
    A request whose JSON is read into the handler's type in one go, and strictly.

    The framework converts bodies as it does parameters, which are texts: `"1e1"` would be the whole number 10, and `"on"` true. Here only
    a body's own whole numbers may be texts, of digits alone.
    """

    async def json(self) -> Any:
        """
        Return the body as the handler's type; or a `WrongBody`, which the framework refuses once it has checked the caller.

        Raises:
            SerializationException: it is no JSON.
        """
        field = self.route_handler.parsed_data_field
        if field is None:
            return await super().json()
        try:
            body = msgspec.json.decode(await self.body() or b"null")
            if isinstance(body, dict):
                for name in whole_numbers(field.annotation) & body.keys():
                    if isinstance(body[name], str) and WHOLE_NUMBER.fullmatch(body[name]):
                        body[name] = int(body[name])
            return msgspec.convert(body, field.annotation)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$.")
            key = f"data.{path.removesuffix('`')}" if path else "data"
            self.scope["state"][FAULT] = {"key": key, "message": message}
            return WrongBody()
        except msgspec.DecodeError as error:
            raise SerializationException(str(error)) from error


@cache
def whole_numbers(kind: type[Any]) -> frozenset[str]:
    """Return which members of a message are whole numbers."""
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        return frozenset()

    def is_whole(type_: msgspec.inspect.Type) -> bool:
        if isinstance(type_, msgspec.inspect.UnionType):
            return any(map(is_whole, type_.types))
        if isinstance(type_, msgspec.inspect.Metadata):
            return is_whole(type_.type)
        return isinstance(type_, msgspec.inspect.IntType)

    return frozenset(member.encode_name for member in info.fields if is_whole(member.type))
