"""A certificate for this machine, and whom to trust for it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import trustme


class Certificate:
    """A certificate for 127.0.0.1: `options` of uvicorn, the file of its `authority`, and the `context` of a client that trusts that."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        chain, key, self.authority = folder / "chain.pem", folder / "key.pem", folder / "authority.pem"
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(chain)
        authority.cert_pem.write_to_path(self.authority)
        self.options: dict[str, Any] = {"ssl_certfile": str(chain), "ssl_keyfile": str(key)}
        self.context = ssl.create_default_context(cafile=self.authority)
