"""What a gateway answers itself is limited as what a server answers."""

from __future__ import annotations

import httpx2

from pricewire.server.client_address import parse_network
from pricewire.server.gateways.gateway import send_text
from pricewire.server.gateways.own_rate import OwnRate
from pricewire.server.limits import Admission, Limits
from pricewire.server.transport.asgi_types import Receive, Scope, Send


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send_text(send, 200, "ok\n")


async def test_an_address_may_ask_so_often_for_metrics_and_readiness_and_any_time_for_what_is_passed_on() -> None:
    limits = Limits(requests_per_second=0.001, streams_per_address=1)
    app = OwnRate(answer, Admission(limits, [parse_network("127.0.0.1")]))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:

        async def ask(path: str, address: str) -> int:
            return (await client.get(f"http://test{path}", headers={"X-Forwarded-For": address})).status_code

        # Four for each stream that it may have.
        paths = ["/metrics", "//metrics", "/metrics/", "/readyz", "/metrics", "/readyz/"]
        assert [await ask(path, "192.0.2.1") for path in paths] == [200] * 4 + [429] * 2
        assert {await ask(path, "192.0.2.1") for path in ["/healthz", "/v1/market/products"] * 5} == {200}
        assert await ask("/metrics", "192.0.2.2") == 200
