"""HTTP/2: the fan-out to streams each on a connection of its own, behind Caddy and by nginx with nchan; and both by HTTP/1.1 under TLS."""

from __future__ import annotations

from bench.fanout import Settings
from bench.machine import Placement
from bench.report import Progress, Report
from bench.servers.http2 import BehindCaddy, NchanHttp2
from bench.servers.peer import Peer
from bench.servers.tls import HandoverTls, NchanTls
from bench.tls import measure

KINDS: tuple[type[Peer], ...] = (BehindCaddy, NchanHttp2, HandoverTls, NchanTls)


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    return measure("http2", KINDS, NchanHttp2, placement, settings, progress)
