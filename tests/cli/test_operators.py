"""What operators need of `pricewire serve`: other sockets, an address of their own, certificates that change, and a check before."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.cli.listening import inherited_socket, open_socket, open_unix_socket
from pricewire.errors import PricewireError
from support.command import environment, pricewire
from support.serving import Reader
from support.tls import Certificate

PATIENCE = 60.0

TICKS = r'^pricewire_ticks_total\{instrument="1HZ100V"\} [1-9]'
"""How long an answer may take, in seconds: a busy machine is no failure."""


def get(url: str, **options: Any) -> httpx2.Response:
    return httpx2.get(url, timeout=PATIENCE, **options)


class Server:
    """`pricewire serve` of another session, as a service manager runs it: without a terminal."""

    def __init__(self, *arguments: str, cwd: Path, files: Sequence[int] = ()) -> None:
        command = [sys.executable, "-m", "pricewire", "serve", *arguments, "--data-dir", str(cwd / "data")]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment(), start_new_session=True, pass_fds=files
        )
        self.said: list[str] = []

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in what the server says from now on."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if (match := re.search(pattern, line)) is not None:
                return match
        raise AssertionError(f"it ended without {pattern!r}: {''.join(self.said)}")


@contextlib.contextmanager
def served(*arguments: str, cwd: Path, files: Sequence[int] = ()) -> Iterator[Server]:
    server = Server(*arguments, cwd=cwd, files=files)
    try:
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        rest = server.process.communicate(timeout=120)[1]
    assert "Traceback" not in rest, rest


def test_a_unix_socket_and_an_address_for_operators(tmp_path: Path) -> None:
    path = tmp_path / "pricewire.sock"
    # One that a server has left behind when it was killed.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with served("--uds", str(path), "--admin-port", "0", "--log-format", "text", cwd=tmp_path) as server:
        admin = server.wait_for(r"^\d\d:\d\d:\d\d Metrics, readiness and /admin are at (http://127\.0\.0\.1:\d+)\.$")[1]
        server.wait_for(rf"Serving on the socket {path} - Ctrl-C stops\.")
        assert "demo" not in "".join(server.said)
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://localhost", timeout=PATIENCE) as client:
            with client.stream("GET", "/sse?topic=ticks:R_100", headers={"accept-encoding": "identity"}) as stream:
                assert next(stream.iter_lines()).startswith("id: ")
            assert client.get("/healthz").status_code == 200
            for name in ("/metrics", "/readyz"):
                refused = client.get(name)
                assert (refused.status_code, refused.json()["error"]["code"]) == (404, "NOT_FOUND")
        deadline = time.monotonic() + PATIENCE
        while re.search(TICKS, metrics := get(f"{admin}/metrics").text, re.MULTILINE) is None:
            assert time.monotonic() < deadline, "no tick came"
            time.sleep(0.05)
        assert re.search(r'^pricewire_build_info\{version="\d+\.\d+\.\d+"\} 1\.0$', metrics, re.MULTILINE)
        assert 'pricewire_market_open{instrument="1HZ100V"} 1.0' in metrics
        assert [get(f"{admin}{name}").status_code for name in ("/readyz", "/healthz", "/v1/market/instruments")] == [200, 200, 404]
        # As often as operators' programs like: the limit of requests is for others.
        assert all(get(f"{admin}/healthz").status_code == 200 for _ in range(20))
        assert get(f"{admin}/healthz", headers={"host": "attacker.example"}).status_code == 421
        with pytest.raises(PricewireError, match="a server listens there"):
            open_unix_socket(path)
    assert not path.exists()


def test_one_address_asks_a_gateway_for_its_metrics_as_often_as_for_anything(tmp_path: Path) -> None:
    options = ["--requests-per-second", "0.001", "--max-streams-per-address", "1"]
    with served("--role", "gateway", "--bus", "nats://127.0.0.1:9", "--port", "0", *options, cwd=tmp_path) as server:
        public = server.wait_for(r"Serving on (http://127\.0\.0\.1:\d+)")[1]
        # Its own, without a server behind it: the paths are read as the router of a server reads them.
        answers = [get(f"{public}{path}") for path in ("/metrics", "//metrics", "/metrics/", "/readyz/", "/metrics")]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 503, 429]
        assert all("pricewire_bus_frames_read_total" in answer.text for answer in answers[:3])
        assert "the bus is not open yet" in answers[3].text
        assert get(f"{public}//healthz").status_code == 200


def test_operators_watch_and_stop_the_server_at_their_address(tmp_path: Path) -> None:
    with served("--port", "0", "--admin-port", "0", "--drain-seconds", "0.1", cwd=tmp_path) as server:
        admin = server.wait_for(r"/admin are at (http://127\.0\.0\.1:\d+)")[1]
        public = server.wait_for(r"Serving on (http://127\.0\.0\.1:\d+)")[1]
        token = pricewire("token", "demo", "--scope", "admin", "--data-dir", str(tmp_path / "data"), cwd=tmp_path)
        assert token.returncode == 0, token.stderr
        bearer = {"authorization": f"Bearer {token.stdout.strip()}"}
        assert [get(f"{public}{path}", headers=bearer).status_code for path in ("/admin", "/admin/", "/protected/sse?topic=admin")] == [
            404,
            404,
            400,
        ]
        page = get(f"{admin}/admin")
        assert page.status_code == 200
        (script,) = re.findall(r'src="(/assets/[^"]+\.js)"', page.text)
        assert get(f"{admin}{script}").status_code == 200
        assert get(f"{admin}/protected/sse?topic=admin").status_code == 401
        with httpx2.stream("GET", f"{admin}/protected/sse?topic=admin", headers=bearer, timeout=PATIENCE) as stream:
            lines = stream.iter_lines()
            assert any('"event":"admin"' in line for line in lines)
            drain = f"{admin}/v1/admin/drain"
            assert httpx2.post(drain, timeout=PATIENCE).status_code == 401
            assert httpx2.post(f"{public}/v1/admin/drain", headers=bearer, timeout=PATIENCE).status_code == 404
            assert httpx2.post(drain, headers=bearer, timeout=PATIENCE).json() == {"data": {"streams": 1}}
            assert any("SERVER_DRAINING" in line for line in lines)
        assert server.process.wait(PATIENCE) == 0
        assert "as an operator asks" in server.process.stderr.read()  # type: ignore[union-attr]


def test_a_socket_of_the_parent_and_a_certificate_that_changes(tmp_path: Path) -> None:
    first = Certificate(tmp_path)
    chain, key = first.options.values()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        served("--fd", str(listener.fileno()), "--tls-cert", chain, "--tls-key", key, cwd=tmp_path, files=[listener.fileno()]) as server,
    ):
        server.wait_for("Serving on the socket")
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with Reader(url, "/sse?topic=ticks:1HZ100V", context=first.context) as reader:
            reader.read_until(b"\n\n")
            second = Certificate(tmp_path)
            with pytest.raises(httpx2.ConnectError):
                get(f"{url}/healthz", verify=second.context)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for(r"SIGHUP: new connections get the certificate of \S+chain.pem as it is now")
            assert get(f"{url}/healthz", verify=second.context).status_code == 200
            Path(key).write_text("nonsense")
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("SIGHUP: the certificate stays as it was: --tls-key .* holds no private key")
            assert get(f"{url}/healthz", verify=second.context).status_code == 200
            assert b"SERVER_DRAINING" not in reader.read_until(b"\n\n")


def test_the_level_and_limits_are_read_again(tmp_path: Path) -> None:
    config = tmp_path / "pricewire.toml"
    config.write_text("[serve]\nport = 0\nmax-streams-per-address = 1\n")
    with served("--drain-seconds", "0.1", cwd=tmp_path) as server:
        url = server.wait_for(r"Serving on (http://127\.0\.0\.1:\d+)")[1]
        path = "/sse?topic=ticks:1HZ100V"
        with Reader(url, path) as reader:
            reader.read_until(b"\n\n")
            assert get(f"{url}{path}").status_code == 429
            config.write_text('[serve]\nport = 0\nmax-streams-per-address = 2\nlog-level = "debug"\norigin = ["https://a.example"]\n')
            server.process.send_signal(signal.SIGHUP)
            server.wait_for(r"SIGHUP: --origin has changed, which takes a restart")
            server.wait_for(r"SIGHUP: --max-streams-per-address is 2 now")
            server.wait_for(r"SIGHUP: --log-level is debug now")
            with Reader(url, path) as second:
                second.read_until(b"\n\n")
                server.wait_for("stream opened")
                config.write_text("[serve]\nmax-streams-per-address = 0\n")
                server.process.send_signal(signal.SIGHUP)
                server.wait_for("SIGHUP: the options stay as they were: .*streams_per_address")
                config.write_text("[serve]\nmax-streams-per-adress = 9\n")
                server.process.send_signal(signal.SIGHUP)
                server.wait_for("SIGHUP: the options stay as they were: .*adress")
                assert get(f"{url}{path}").status_code == 429
            assert b"SERVER_DRAINING" not in reader.read_until(b"\n\n")


def test_a_check_says_what_is_wrong_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "pricewire.toml").write_text("[serve]\nport = 0\n")
    done = pricewire("check", cwd=tmp_path, PRICEWIRE_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert lines["configuration"] == "ok\tpricewire.toml"
    assert lines["database"] == f"ok\t{tmp_path}/data/pricewire.db is made at the start"
    assert lines["feed simulated"] == "ok\t10 instruments"
    assert {"limits", "certificate", "trading", "journal", "keys", "names", "address", "page"} < set(lines)
    assert lines["telemetry"] == "ok\tnone"
    assert [path.name for path in tmp_path.iterdir()] == ["pricewire.toml"]
    (tmp_path / "secret").write_text("short")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        wrong = ["--port", port, "--feed", "part.csv", "--database", "postgresql://me:secret@127.0.0.1:1/x", "--jwt-secret-file", "secret"]
        variables = {"PRICEWIRE_DATA_DIR": str(tmp_path / "data"), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:secret@127.0.0.1:1"}
        done = pricewire("check", *wrong, cwd=tmp_path, OTEL_EXPORTER_OTLP_TIMEOUT="0.1", **variables)
    assert done.returncode == 1
    failed = dict(line.split("\tfailed\t", 1) for line in done.stdout.splitlines() if "\tfailed\t" in line)
    assert set(failed) == {"feed part.csv", "database", "keys", "address", "telemetry"}
    assert f"port {port} of 127.0.0.1 is taken" in failed["address"]
    assert "a shared secret of 5 bytes is too short" in failed["keys"]
    assert "secret" not in failed["database"]
    assert failed["telemetry"].startswith("http://127.0.0.1:1 takes no traces: ")
    assert "secret" not in failed["telemetry"]


def test_sockets_that_cannot_be_had_are_said(tmp_path: Path) -> None:
    with pytest.raises(PricewireError, match=r"--uds .*no/x: No such file or directory; give the path of a socket to be made"):
        open_unix_socket(tmp_path / "no" / "x")
    (tmp_path / "file").touch()
    with pytest.raises(PricewireError, match=r"--uds .*file: Address already in use"):
        open_unix_socket(tmp_path / "file")
    assert (tmp_path / "file").exists()
    with pytest.raises(PricewireError, match="--fd 900: Bad file descriptor; give the number of a listening socket, 3 under systemd"):
        inherited_socket(900)
    with socket.socket() as idle, pytest.raises(PricewireError, match="the socket does not listen"):
        inherited_socket(idle.dup().detach())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PricewireError, match=f"--admin-port {port}: port {port} of 127.0.0.1 is taken; choose another by --admin-port"):
            open_socket("127.0.0.1", port, "--admin-port")
