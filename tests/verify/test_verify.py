"""Streams of real servers on real sockets: ours, FastAPI's and sse-starlette's, over TLS, by the command line and in pytest."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sse_starlette import EventSourceResponse as SseStarletteResponse

import pricewire
from pricewire.errors import PricewireError
from pricewire.verify import RULES, Options, Report, Verdict, verify
from support.command import environment
from support.serving import Serving
from support.tls import Certificate

pytest_plugins = ["pytester"]

UNTIL_S = 2.0


def news() -> FastAPI:
    """An application with a stream of ours, one of FastAPI and one of sse-starlette; ours gets an event each tenth of a second."""
    hub = pricewire.Hub()

    async def publish() -> None:
        number = 0
        while True:
            number += 1
            hub.publish("news", {"number": number}, key="news")
            await asyncio.sleep(0.1)

    app = FastAPI(on_startup=[lambda: tasks.append(asyncio.get_running_loop().create_task(publish()))])
    tasks: list[asyncio.Task[None]] = []

    @app.get("/ours")
    async def ours() -> pricewire.EventStream:
        return pricewire.EventStream(hub, ["news"])

    @app.get("/fastapi", response_class=EventSourceResponse)
    async def counted() -> AsyncIterator[ServerSentEvent]:
        number = 0
        while True:
            number += 1
            yield ServerSentEvent(data=number, id=str(number))
            await asyncio.sleep(0.1)

    @app.get("/sse-starlette")
    async def without_ids() -> SseStarletteResponse:
        async def events() -> AsyncIterator[str]:
            while True:
                yield "news"
                await asyncio.sleep(0.1)

        return SseStarletteResponse(events())

    return app
