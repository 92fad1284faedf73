"""
Streams in a FastAPI application: a route with a dependency that decides who may listen, and below `/live` all that the clients need.

    python examples/fastapi_app.py
    curl -N -H 'X-Account: 7' http://127.0.0.1:8000/orders
    curl -N -H 'Authorization: Bearer 7' 'http://127.0.0.1:8000/live/sse?topic=orders:7'
    curl -d '{"account": "7", "status": "filled"}' -H 'Content-Type: application/json' http://127.0.0.1:8000/orders
"""

from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

import pricewire

app = FastAPI()
hub = pricewire.Hub()


class Order(BaseModel):
    """What happened to an order."""

    account: str
    status: str


def account(x_account: Annotated[str | None, Header()] = None) -> str:
    """Return who asks; an application of yours would look at a token."""
    if x_account is None:
        raise HTTPException(401, "say who you are by X-Account")
    return x_account


@app.get("/orders", response_class=pricewire.EventStream, response_model=Order)
async def stream(account: Annotated[str, Depends(account)]) -> pricewire.EventStream:
    """Stream what happens to the orders of an account."""
    return pricewire.EventStream(hub, [f"orders:{account}"], form=pricewire.Named(pricewire.plain))


@app.post("/orders", status_code=204)
async def publish(order: Order) -> None:
    """Tell the account's streams; without a key, no event is ever left out."""
    hub.publish(f"orders:{order.account}", order, event="order")


app.mount("/live", pricewire.streams(hub, may_read=lambda request, topic: topic == f"orders:{request.token}"))


if __name__ == "__main__":
    pricewire.run(app, port=8000)
