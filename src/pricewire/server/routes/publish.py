"""Publishing: `POST /v1/publish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import QueryParameter

from pricewire.protocol.messages import Data, Published
from pricewire.server.auth.dependencies import SECURITY, AnyRequest, Principal
from pricewire.server.http_errors import INVALID, REFUSED, UNAVAILABLE
from pricewire.server.publish_limits import MAX_BODY, PUBLISH_PATH
from pricewire.server.publishing import Publishing
from pricewire.server.routes.accounts import NO_STORE, PROTECTED

TEXT = Schema(type=OpenAPIType.STRING)

MESSAGE = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "topic": Schema(type=OpenAPIType.STRING, description="Where to."),
        "data": Schema(description="The message: any JSON."),
        "key": Schema(one_of=[TEXT, Schema(type=OpenAPIType.NULL)], description="What it supersedes earlier ones by."),
        "event": Schema(type=OpenAPIType.STRING, default="message", description="What it is."),
        "ends": Schema(one_of=[TEXT, Schema(type=OpenAPIType.NULL)], description="A key that ends with it."),
    },
    required=["topic", "data"],
    additional_properties=False,
)
"""A `Publication`, as the schema has it."""


@dataclass
class PublishOperation(Operation):
    """Describes the request with its body, which the framework does not read: it may be a list, and what is in it stays as it is."""

    def __post_init__(self) -> None:
        messages = Schema(type=OpenAPIType.ARRAY, items=MESSAGE, min_items=1)
        self.request_body = RequestBody({"application/json": OpenAPIMediaType(Schema(one_of=[MESSAGE, messages]))}, required=True)


@post(
    PUBLISH_PATH,
    operation_class=PublishOperation,
    status_code=200,
    cache_control=NO_STORE,
    request_max_body_size=MAX_BODY,
    responses={**INVALID, **PROTECTED, **REFUSED, **UNAVAILABLE},
    security=SECURITY,
)
async def publish(
    request: AnyRequest,
    publishing: NamedDependency[Publishing],
    messenger: NamedDependency[Principal],
    durable: Annotated[bool, QueryParameter(description="Answer only when the messages survive the end of this process.")] = False,
) -> Data[Published]:
    """
    Publish a message, or a list of them, to free topics: those that match one of the token's `topics`.

    All messages are published, in their order, or none.
    """
    messages = publishing.read(await request.body())
    publishing.check(messenger.token, messages)
    return Data(await publishing.publish(messages, durable=durable))
