"""The market that an instrument belongs to, in the words of the HTTP surface, and how a recording's name tells it. Pure."""

from __future__ import annotations

import re
from typing import Literal, get_args

Market = Literal["Synthetic Index", "Basket Index", "Forex", "Indices", "Stocks", "Cryptocurrency", "Commodities"]

MARKETS: tuple[Market, ...] = get_args(Market)
"""The first category of an instrument is one of these: a chart of the platform draws nothing for any other."""

CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNH CNY COP CRC CUP CVE
    CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES
    KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
    NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND
    TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - as a list it would take a line for each
)
"""Source: ISO 4217, without its funds; and CNH, as the yuan is called where it is traded outside of China."""

METALS = frozenset({"XAG", "XAU", "XPD", "XPT"})
"""Silver, gold, palladium and platinum. Source: ISO 4217."""

COINS = frozenset(
    """
    AAVE ADA ALGO APT ARB ATOM AVAX BCH BNB BTC DAI DOGE DOT EOS ETC ETH FIL HBAR ICP LINK LTC MATIC NEAR OP PEPE POL SHIB SOL SUI TON
    TRX UNI USDC USDT WBTC XBT XLM XMR XRP XTZ
    """.split()  # noqa: SIM905 - as a list it would take a line for each
)
"""The cryptocurrencies that are traded most, by the names that exchanges give them."""

PAIRS = tuple(re.compile(rf"([A-Z]{{{length}}})[/_\-]?([A-Z]{{3,5}})(?![A-Z])") for length in (2, 3, 4, 5))
"""Two names in a row, the first of so many letters, as in `EUR/USD`, `EURUSD` and `DOGE-USDT`."""


def market_of_pair(name: str) -> Market | None:
    """Return the market of a pair that a name begins with, as `EUR/USD`, `eurusd_2026` and `BTCUSDT` do; None where it begins with none."""
    matches = [match for pattern in PAIRS if (match := pattern.match(name.upper())) is not None]
    for base, quote in (match.groups() for match in matches):
        if base in CURRENCIES and quote in CURRENCIES:
            return "Forex"
        if base in METALS and quote in CURRENCIES:
            return "Commodities"
        if (base in COINS and quote in CURRENCIES | COINS) or (base in CURRENCIES and quote in COINS):
            return "Cryptocurrency"
    return None
