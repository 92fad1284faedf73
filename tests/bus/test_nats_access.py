"""Who may use a bus, and how that is shown: passwords, tokens, keys, TLS, on real servers."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import nkeys
import pytest
import trustme
from bench.servers.nats import NatsServer, free_ports

from pricewire.bus.nats import NatsBus, NatsPlan
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.probe import probe
from pricewire.errors import BusError
from pricewire.hub.hub import Hub
from pricewire.nats_client import TidyTransport
from support.command import pricewire
from support.serving import PATIENCE

PASSWORD = "p@ss/w:rd %"
ESCAPED = "p%40ss%2Fw%3Ard%20%25"
WRONG = "Authorization Violation"


@contextlib.contextmanager
def server(folder: Path, config: str = "", *options: str, ports: Sequence[int] = ()) -> Iterator[NatsServer]:
    """Run a NATS server with a configuration, ready when it yields."""
    path = folder / "nats.conf"
    path.write_text(config)
    port, monitor = ports or free_ports(2)
    running = NatsServer(folder, port, monitor, "--config", str(path), *options)
    running.start()
    try:
        running.wait()
        yield running
    finally:
        running.kill()


def address(running: NatsServer, login: str = "", scheme: str = "nats", **options: Any) -> NatsAddress:
    return NatsAddress((f"{scheme}://{login}{running.url.removeprefix('nats://')}",), **options)


async def tried(where: NatsAddress) -> str:
    return await probe(where, NatsPlan(), PATIENCE)


async def refused(where: NatsAddress) -> str:
    """Return why a bus cannot be used."""
    with pytest.raises(BusError) as caught:
        await tried(where)
    return str(caught.value)


async def carries(where: NatsAddress) -> None:
    """Check that a bus carries an event."""
    hub = Hub()
    bus = NatsBus(hub, where, writes="all")
    async with bus.open():
        bus.publish("news", {"a": 1})
        await bus.flush()
        assert "news" in hub.topics
        hub.close()


async def test_a_user_with_a_password(tmp_path: Path) -> None:
    with server(tmp_path, "", "--user", "me", "--pass", PASSWORD) as running:
        where = address(running, f"me:{ESCAPED}@")
        assert "the stream 'pw' is made at the start" in await tried(where)
        await carries(where)
        assert "the stream 'pw' with" in await tried(where)
        assert PASSWORD not in where.shown
        assert "me" not in where.shown.partition("//")[2]
        assert WRONG in await refused(address(running, "me:wrong@"))
        assert WRONG in await refused(address(running))


async def test_a_token(tmp_path: Path) -> None:
    with server(tmp_path, "", "--auth", PASSWORD) as running:
        await carries(address(running, f"{ESCAPED}@"))
        assert WRONG in await refused(address(running, "wrong@"))


async def test_the_seed_of_an_nkey(tmp_path: Path) -> None:
    seed, public = key(nkeys.PREFIX_BYTE_USER)
    with server(tmp_path, f"authorization {{ users = [ {{ nkey: {public} }} ] }}") as running:
        file = tmp_path / "seed.nk"
        file.write_text(seed + "\n")
        await carries(address(running, credentials=file))
        file.write_text(key(nkeys.PREFIX_BYTE_USER)[0])
        assert WRONG in await refused(address(running, credentials=file))


async def test_a_file_of_credentials(tmp_path: Path) -> None:
    operator, account, user, system = (key(kind) for kind in KINDS)
    limits = dict.fromkeys(
        ("subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage", "disk_storage", "streams", "consumer"), -1
    )
    accounts = {
        public: token(operator, "account", public, {"limits": {**limits, "wildcards": True} if public == account[1] else {}})
        for public in (account[1], system[1])
    }
    config = "\n".join(
        [
            f"operator: {token(operator, 'operator', operator[1], {'system_account': system[1]})}",
            f"system_account: {system[1]}",
            "resolver: MEMORY",
            f"resolver_preload: {json.dumps(accounts)}",
        ]
    )
    file = tmp_path / "user.creds"
    jwt = token(account, "user", user[1], {"subs": -1, "data": -1, "payload": -1})
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user[0]}\n------END USER NKEY SEED------\n"
    )
    with server(tmp_path, config) as running:
        await carries(address(running, credentials=file))
        assert WRONG in await refused(address(running))


async def test_files_that_are_no_credentials(tmp_path: Path) -> None:
    where = NatsAddress(("nats://127.0.0.1:1",), credentials=tmp_path / "none")
    assert "none: No such file or directory" in await refused(where)
    (tmp_path / "none").write_text("nonsense")
    assert "has no credentials as `nsc` makes them" in await refused(where)
    (tmp_path / "none").write_bytes(b"\xff")
    assert "it is no text" in await refused(where)


class Authority:
    """A certificate authority, with the files that a server and a client need."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca, self.chain, self.key, self.mine, self.my_key = (folder / name for name in ("ca", "chain", "key", "mine", "my-key"))
        issued, own = authority.issue_cert("127.0.0.1"), authority.issue_cert("gateway@example.com")
        authority.cert_pem.write_to_path(self.ca)
        issued.private_key_pem.write_to_path(self.key)
        issued.cert_chain_pems[0].write_to_path(self.chain)
        own.private_key_pem.write_to_path(self.my_key)
        own.cert_chain_pems[0].write_to_path(self.mine)

    def tls(self, *, verify: bool) -> str:
        files = f'cert_file: "{self.chain}", key_file: "{self.key}", ca_file: "{self.ca}"'
        return f"tls {{ {files}, verify: {str(verify).lower()} }}"


async def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with server(tmp_path, authority.tls(verify=False)) as running:
        await carries(address(running, scheme="tls", ca=authority.ca))
        # A CA alone says that TLS is meant.
        await carries(address(running, ca=authority.ca))
        assert "certificate verify failed" in await refused(address(running, scheme="tls"))
        other = NatsAddress((running.url.replace("nats://127.0.0.1", "tls://localhost"),), ca=authority.ca)
        assert "certificate is not valid for 'localhost'" in await refused(other)


async def test_tls_with_a_certificate_of_the_client(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with server(tmp_path, authority.tls(verify=True)) as running:
        await carries(address(running, scheme="tls", ca=authority.ca, certificate=authority.mine, key=authority.my_key))
        await refused(address(running, scheme="tls", ca=authority.ca))
    wrong = address(running, ca=authority.ca, certificate=authority.mine, key=authority.key)
    assert "KEY_VALUES_MISMATCH" in await refused(wrong)
    assert "give a file of certificates in PEM" in await refused(address(running, ca=authority.key))
    with pytest.raises(BusError, match="go together"):
        address(running, certificate=authority.mine)


async def test_nothing_is_sent_where_tls_was_asked_for_and_is_not_offered(tmp_path: Path) -> None:
    received: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.11.0","auth_required":true,"max_payload":1048576,"headers":true}\r\n')
        received.append(await reader.read())
        writer.close()

    authority = Authority(tmp_path)
    listener = await asyncio.start_server(pretend, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        where = NatsAddress((f"tls://me:secret@127.0.0.1:{port}",), ca=authority.ca)
        assert "the server offers no TLS" in await refused(where)
        async with asyncio.timeout(PATIENCE):
            while not received:  # noqa: ASYNC110 - the other side closes
                await asyncio.sleep(0.02)
    assert set(received) == {b""}


async def test_a_server_that_is_given_a_certificate_that_is_trusted_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = {name: tmp_path / name for name in ("wrong", "right")}
    for folder in folders.values():
        folder.mkdir()
    wrong, right = (Authority(folder) for folder in folders.values())
    ports = free_ports(2)
    where = NatsAddress((f"tls://127.0.0.1:{ports[0]}",), ca=right.ca)
    used = asyncio.Event()

    async def use() -> None:
        async with connected(where, "test"):
            used.set()

    async with asyncio.timeout(PATIENCE):
        with server(folders["wrong"], wrong.tls(verify=False), ports=ports):
            using = asyncio.create_task(use())
            while "certificate verify failed" not in caplog.text:  # noqa: ASYNC110 - it is only logged
                await asyncio.sleep(0.02)
        with server(folders["right"], right.tls(verify=False), ports=ports):
            await used.wait()
            await using


async def test_a_server_of_the_cluster_that_was_not_named_gets_the_password_too(tmp_path: Path) -> None:
    ports = free_ports(6)
    servers = []
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        route, other = (f"nats://127.0.0.1:{ports[each]}" for each in (number, 1 - number))
        options = [
            "--user",
            "me",
            "--pass",
            PASSWORD,
            "--cluster",
            route,
            "--routes",
            other,
            "--cluster_name",
            "tests",
            "--server_name",
            f"n{number}",
        ]
        servers.append(NatsServer(place, ports[2 + number], ports[4 + number], *options))
    reconnected = asyncio.Event()
    try:
        for each in servers:
            each.start()
        async with connected(address(servers[0], f"me:{ESCAPED}@"), "test", reconnected.set) as client:
            async with asyncio.timeout(PATIENCE):
                while len(client.discovered_servers) < 1:  # noqa: ASYNC110 - the servers find each other
                    await asyncio.sleep(0.05)
            servers[0].kill()
            await asyncio.wait_for(reconnected.wait(), PATIENCE)
            await client.flush()
    finally:
        for each in servers:
            each.kill()


async def test_a_wrong_password_is_logged_without_it_and_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with server(tmp_path, "", "--auth", "right") as running:
        bus = NatsBus(Hub(), address(running, "secret-token@"), writes=None)

        async def open_it() -> AsyncIterator[None]:
            async with bus.open():
                yield

        opening = asyncio.ensure_future(anext(open_it()))
        async with asyncio.timeout(PATIENCE):
            while WRONG not in caplog.text:  # noqa: ASYNC110 - the server refuses
                await asyncio.sleep(0.05)
        assert not opening.done()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
    assert "secret-token" not in caplog.text


def test_two_users_are_one_too_many() -> None:
    with pytest.raises(BusError, match="give the same before each host"):
        NatsAddress(("nats://a:b@x:1", "nats://c:d@y:1"))
    both = NatsAddress(("nats://a:b@x:1", "nats://y:1"))
    assert both.login == {"user": "a", "password": "b"}
    assert both.bare_servers == ["nats://x:1", "nats://y:1"]


def test_the_command_checks_the_bus(tmp_path: Path) -> None:
    with server(tmp_path, "", "--user", "me", "--pass", PASSWORD) as running:
        host = running.url.removeprefix("nats://")
        login = f"nats://me:{ESCAPED}@{host}"
        options = ["check", "--port", "0", "--role", "gateway"]
        done = pricewire(*options, cwd=tmp_path, PRICEWIRE_BUS=login)
        assert done.returncode == 0, done.stdout
        lines = dict(line.split("\t", 1) for line in done.stdout.splitlines())
        assert lines["bus"].startswith(f"ok\tnats://{host}: nats-server ")
        assert set(lines) == {"configuration", "limits", "certificate", "bus", "telemetry", "mercure", "topics", "address"}
        done = pricewire(*options, cwd=tmp_path, PRICEWIRE_BUS=login.replace("me:", "you:"))
        assert done.returncode == 1
        assert f"bus\tfailed\tnats://{host}: 'Authorization Violation'" in done.stdout
        assert ESCAPED not in done.stdout + done.stderr
    done = pricewire(*options, cwd=tmp_path, PRICEWIRE_BUS=login)
    assert done.returncode == 1
    assert "Connect call failed" in done.stdout


KINDS = (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER, nkeys.PREFIX_BYTE_ACCOUNT)


def key(kind: int) -> tuple[str, str]:
    """Return the seed and the public key of a new NKEY."""
    seed = nkeys.encode_seed(os.urandom(32), kind)
    return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


def token(issuer: tuple[str, str], kind: str, subject: str, claims: dict[str, Any]) -> str:
    """Return a JWT as NATS has it. Source: ADR-14 of NATS."""
    body = {"iat": int(time.time()), "iss": issuer[1], "name": kind, "sub": subject, "nats": {**claims, "type": kind, "version": 2}}
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    signed = b".".join(encoded(each) for each in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
    signature = nkeys.from_seed(bytearray(issuer[0].encode())).sign(signed)
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def encoded(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


async def test_a_connection_that_is_coming_back_is_closed_without_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pricewire")
    with server(tmp_path) as running:
        async with connected(address(running), "test") as client:
            # What the library has between two attempts: something to send, and nothing to send it by.
            before, client._transport = client._transport, TidyTransport()  # type: ignore[no-untyped-call]
            client._pending, client._pending_data_size = [b"PING"], 4
        assert before is not None
        before.close()  # type: ignore[no-untyped-call]
        await before.wait_closed()  # type: ignore[no-untyped-call]
    assert "not closed in order" not in caplog.text
