"""What tokens are signed with and must claim, from the options."""

from __future__ import annotations

from pricewire.cli.store import Store
from pricewire.errors import PricewireError
from pricewire.server.auth.jwks import IssuerKeys
from pricewire.server.auth.keys import KeySource, local_key, shared_secret
from pricewire.server.auth.tokens import TokenRules


def rules_of(store: Store) -> TokenRules:
    """Return what tokens must claim."""
    return TokenRules(store.jwt_issuer, store.jwt_audience)


def keys_of(store: Store) -> KeySource:
    """
    Return what tokens are signed with.

    Raises:
        PricewireError: it cannot be read, or two are given.
    """
    if store.jwt_secret_file is not None and store.jwks_url is not None:
        raise PricewireError("--jwt-secret-file and --jwks-url exclude each other: give one")
    if store.jwks_url is not None:
        return IssuerKeys(store.jwks_url)
    if store.jwt_secret_file is None:
        return local_key(store.data_dir)
    try:
        return shared_secret(store.jwt_secret_file.read_bytes().strip())
    except OSError as error:
        raise PricewireError(f"--jwt-secret-file {store.jwt_secret_file}: {error.strerror}") from None
