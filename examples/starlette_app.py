"""
Streams in a Starlette application.

    python examples/starlette_app.py
    curl -N http://127.0.0.1:8000/news
    curl -d 'The market is open.' http://127.0.0.1:8000/news
"""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import pricewire

hub = pricewire.Hub()


async def stream(request: Request) -> Response:
    """Stream the headlines: the newest, then every one."""
    return pricewire.EventStream(hub, ["news"])


async def publish(request: Request) -> Response:
    """Send a headline to everybody who listens."""
    text = (await request.body()).decode()
    hub.publish("news", {"headline": text}, key="news")
    return Response(status_code=204)


app = Starlette(routes=[Route("/news", stream), Route("/news", publish, methods=["POST"])])

if __name__ == "__main__":
    pricewire.run(app, port=8000)
