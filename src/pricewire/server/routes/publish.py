"""Publishing: `POST /v1/publish`."""

from __future__ import annotations

from typing import Annotated

from litestar import post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pricewire.protocol.messages import Data, Published
from pricewire.server.auth.dependencies import SECURITY, AnyRequest, Principal
from pricewire.server.http_errors import INVALID, REFUSED, UNAVAILABLE
from pricewire.server.publish_limits import MAX_BODY, PUBLISH_PATH
from pricewire.server.publishing import Publishing
from pricewire.server.routes.accounts import NO_STORE, PROTECTED


@post(
    PUBLISH_PATH,
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

    The body is `{topic, data, key?, event?, ends?}`. All messages are published, in their order, or none.
    """
    messages = publishing.read(await request.body())
    publishing.check(messenger.token, messages)
    return Data(await publishing.publish(messages, durable=durable))
