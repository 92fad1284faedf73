"""A slow link between this machine and itself: namespaces of the kernel's network, joined by a router that lets little through."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from contextlib import ExitStack
from ipaddress import IPv4Network
from types import TracebackType

NUMBERS = itertools.count(1)

NETWORKS = IPv4Network("198.18.0.0/15")
"""Addresses for measurements between networks. Source: RFC 2544, appendix C.2.2."""


def no_link() -> str | None:
    """Return why there can be no slow link here; None where there can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (Debian: iproute2)"
    try:
        with SlowLink(64, 16):
            return None
    except subprocess.CalledProcessError as error:
        return f"{' '.join(error.cmd)}: {error.stderr.strip()}"


class SlowLink:
    """
    A network namespace behind a router that sends slowly to it; a context manager.

    The narrow place is not at the server but behind it, as in life: the server's kernel sends what its TCP finds right, and the packets
    wait in the router. What comes back is not held up.

    Attributes:
        server: the address to listen on, on this side.
        far: the command that runs another one on the far side.

    Args:
        rate: what the link carries, Ethernet's header included, in kbit/s.
        queue: how much waits in the router before it drops packets, in KB.
    """

    def __init__(self, rate: int, queue: int) -> None:
        number = next(NUMBERS)
        self._name = f"bench{os.getpid()}-{number}"
        self._short = f"{os.getpid() % 100_000}x{number}"
        self._rate, self._queue = rate, queue
        # Eight addresses for each link, and others for each process: another may be measuring too.
        start = NETWORKS.network_address + (os.getpid() * 8 + number) % (NETWORKS.num_addresses // 8) * 8
        self._near, self._router, self._out, self._reader = (str(start + host) for host in (1, 2, 5, 6))
        self.server = self._near
        self.far = ["ip", "netns", "exec", f"{self._name}-far"]
        self._stack = ExitStack()

    def __enter__(self) -> SlowLink:
        router, far, short = f"{self._name}-router", f"{self._name}-far", self._short
        with ExitStack() as stack:
            for name in (router, far):
                _run("ip", "netns", "add", name)
                stack.callback(_run, "ip", "netns", "del", name)
            # Deleting one end deletes the other; that of a namespace goes with it, but later.
            _run("ip", "link", "add", f"a{short}", "type", "veth", "peer", "name", f"b{short}", "netns", router)
            stack.callback(_run, "ip", "link", "del", f"a{short}")
            _run("ip", "-n", router, "link", "add", f"c{short}", "type", "veth", "peer", "name", f"d{short}", "netns", far)
            for space, device, address in (
                ([], f"a{short}", self._near),
                (["-n", router], f"b{short}", self._router),
                (["-n", router], f"c{short}", self._out),
                (["-n", far], f"d{short}", self._reader),
            ):
                _run("ip", *space, "address", "add", f"{address}/30", "dev", device)
                # One packet at a time, as on a wire: else the kernel hands over many as one.
                _run("ip", *space, "link", "set", device, "up", "gso_max_segs", "1")
            _run("ip", "route", "add", f"{self._reader}/32", "via", self._router)
            _run("ip", "-n", far, "route", "add", "default", "via", self._out)
            _run("ip", "netns", "exec", router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
            limits = ["rate", f"{self._rate}kbit", "burst", "1600", "limit", f"{self._queue}kb"]
            _run("tc", "-n", router, "qdisc", "add", "dev", f"c{short}", "root", "tbf", *limits)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
