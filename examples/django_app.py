"""
Streams in a Django application: what a view publishes reaches every reader, and who may read what is decided by Django's signed tokens.

    python examples/django_app.py
    curl -d account=7 http://127.0.0.1:8000/token
    curl -N -H 'Authorization: Bearer …' 'http://127.0.0.1:8000/live/protected/sse?topic=orders:7'
    curl -d account=7 -d status=filled http://127.0.0.1:8000/orders
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

import pricewire

if not settings.configured:
    # A project has these in its settings.py.
    settings.configure(SECRET_KEY="only for this example", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

hub = pricewire.Hub()


def token(request: HttpRequest) -> HttpResponse:
    """Return a token for the streams; a project of yours would look at `request.user`."""
    return HttpResponse(signing.dumps(request.POST["account"], salt="streams"))


def order(request: HttpRequest) -> HttpResponse:
    """Tell an account's streams what happened to an order. Django calls this in a thread, and a hub takes messages from any."""
    hub.publish(f"orders:{request.POST['account']}", {"status": request.POST["status"]}, event="order")
    return HttpResponse(status=204)


urlpatterns = [path("token", token), path("orders", order)]


def may_read(request: pricewire.StreamRequest, topic: str) -> bool:
    """Let an account read its own orders, until its token is five minutes old; the clients bring a new one before."""
    try:
        account = signing.loads(request.token or "", salt="streams", max_age=300)
    except signing.BadSignature:
        return False
    return topic == f"orders:{account}"


live = pricewire.streams(hub, may_read=may_read)
django = get_asgi_application()


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Answer with the streams below `/live`, and with Django everywhere else: a project has this in its asgi.py."""
    if scope["type"] == "http" and scope["path"].startswith("/live/"):
        await live({**scope, "root_path": "/live"}, receive, send)
    else:
        await django(scope, receive, send)


if __name__ == "__main__":
    pricewire.run(app, port=8000, lifespan="off")
