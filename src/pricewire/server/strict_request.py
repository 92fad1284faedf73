"""Requests whose bodies are read as what they say."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException, ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """
    A request whose JSON is read into the handler's type in one go, and strictly.

    The framework converts bodies as it does parameters, which are texts: `"1e1"` would be the whole number 10, and `"on"` true.
    """

    async def json(self) -> Any:
        """
        Return the body as the handler's type.

        Raises:
            SerializationException: it is no JSON.
            ValidationException: it is not of that type.
        """
        field = self.route_handler.parsed_data_field
        if field is None:
            return await super().json()
        try:
            return msgspec.json.decode(await self.body() or b"null", type=field.annotation)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$.")
            key = f"data.{path.removesuffix('`')}" if path else "data"
            raise ValidationException(extra=[{"key": key, "message": message}]) from error
        except msgspec.DecodeError as error:
            raise SerializationException(str(error)) from error
