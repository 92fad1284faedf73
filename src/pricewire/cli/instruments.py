"""`pricewire instruments`: what a server has prices of."""

from __future__ import annotations

import asyncio
import sys

from pricewire.cli.advice import ADDRESS, advise
from pricewire.client.api.http import Api
from pricewire.client.http_client import new_client
from pricewire.client.stream.options import credentials_of
from pricewire.client.stream.request import build_headers
from pricewire.client.urls import check_url
from pricewire.errors import ClientError, PricewireError
from pricewire.protocol.messages import Data, Instrument, InstrumentsBody

COLUMNS = ("id", "name", "market", "decimals", "prices")


def command(*, url: str = ADDRESS, token: str | None = None) -> None:
    """
    List the instruments of a server, with tabs between the columns.

    Args:
        url: the server.
        token: a bearer token, if the server wants one; better set as `PRICEWIRE_TOKEN`, which other users of the machine cannot see.
    """
    try:
        found = asyncio.run(fetch(url, token))
    except (ClientError, ValueError) as error:
        raise PricewireError(advise(error, url)) from None
    lines = [COLUMNS, *(columns(each) for each in found)]
    sys.stdout.writelines("\t".join(line) + "\n" for line in lines)


async def fetch(url: str, token: str | None) -> list[Instrument]:
    """
    Return a server's instruments.

    Raises:
        ClientError: the server refused, or did not answer.
        ValueError: the address or the token cannot be used.
    """
    check_url(url)
    api = Api(url, build_headers(None), credentials_of(token))
    async with await new_client(url) as client:
        return (await api.send(client, "GET", "/v1/market/instruments", Data[InstrumentsBody])).data.instruments


def columns(instrument: Instrument) -> tuple[str, ...]:
    """Return an instrument as `COLUMNS` has it."""
    market = instrument.categories[0] if instrument.categories else ""
    state = "coming" if instrument.is_market_open else "none"
    return instrument.id, instrument.display_name, market, str(instrument.pip_size), state
