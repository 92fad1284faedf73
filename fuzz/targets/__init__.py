"""
One module for each target. Its `check` takes an input, and raises what must not come out.

Nothing is imported here but when a target is asked for: the fuzzer has to watch the import.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """
    What there is to know about a target without importing it.

    Attributes:
        shown: what it reads.
        max_size: the longest input, in bytes.
    """

    shown: str
    max_size: int = 4096


TARGETS = {
    "http": Target("a connection's bytes: requests, bodies, what follows a stream's request, and time between them", 2048),
    "decoders": Target("event streams: both decoders against the standard's own steps"),
    "topics": Target("topics", 256),
    "tokens": Target("tokens: headers, claims, signatures", 1024),
    "recordings": Target("recordings in CSV", 2048),
    "parquet": Target("recordings in Parquet: damaged files, and whole ones of unexpected columns"),
    "config": Target("TOML files of options", 1024),
}
