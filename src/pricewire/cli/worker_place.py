"""Which of the processes of `pricewire serve --workers` this one is, and where the others are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SERVER = "server"
"""The name of the process with market and trading."""


@dataclass(frozen=True, slots=True)
class Worker:
    """
    Which of the processes of `--workers` this one is.

    Attributes:
        name: `server`, or `gateway-1`, for instance.
        folder: where all of them have sockets for each other.
        gateways: how many gateways there are.
    """

    name: str
    folder: Path
    gateways: int

    @property
    def is_gateway(self) -> bool:
        """Whether it holds streams."""
        return self.name != SERVER

    @property
    def socket(self) -> Path:
        """Where the other processes find it."""
        return socket_of(self.folder, self.name)

    @property
    def sockets(self) -> Mapping[str, Path]:
        """The sockets of all processes, by their names."""
        return {name: socket_of(self.folder, name) for name in (SERVER, *gateway_names(self.gateways))}


def gateway_names(count: int) -> list[str]:
    """Return the names of so many gateways."""
    return [f"gateway-{number}" for number in range(1, count + 1)]


def socket_of(folder: Path, name: str) -> Path:
    """Return where the other processes find a worker."""
    return folder / f"{name}.sock"
