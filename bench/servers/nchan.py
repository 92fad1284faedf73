"""nchan, the C module of nginx: the fastest server of its kind that one can install."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from bench.machine import Placement
from bench.servers.kept_connection import KeptConnection
from bench.servers.peer import Peer
from bench.workload import Load, encoded_envelope, encoded_ticks

CONFIGURATION = """
load_module {module};
{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log {directory}/error.log warn;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    server {{
        {listen}
        location = /publish {{
            nchan_publisher;
            nchan_channel_id ticks;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 300s;
        }}
        location = /stream {{
            nchan_subscriber eventsource;
            nchan_channel_id ticks;
            nchan_subscriber_first_message newest;
        }}
        location = /tick {{
            nchan_publisher;
            nchan_channel_id $arg_topic;
            nchan_message_buffer_length 1000;
            nchan_message_timeout 300s;
        }}
        location = /topics {{
            nchan_subscriber eventsource;
            nchan_channel_id $arg_ids;
            nchan_channel_id_split_delimiter ",";
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""

UNANSWERED = 64
"""How many messages that were posted at a steady pace may be without an answer."""


class Nchan(Peer):
    """A worker for each core, its log of the size of Pricewire's, published to by requests. It writes each message to each stream alone."""

    name = "nchan"
    label = "nchan"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where nginx or the module is not installed."""
        if shutil.which("nginx") is None:
            return "nginx is not installed"
        if not _module().exists():
            return "nginx has no nchan module (Debian: libnginx-mod-nchan)"
        # With this module nginx insists on the folder that it was built with, whatever its configuration says.
        bodies = _built_with("http-client-body-temp-path", "/var/lib/nginx/body")
        if not bodies.exists() and not os.access(bodies.parent, os.W_OK):
            return f"nginx has no {bodies}: `nginx -t`, once, as root, makes it"
        return None

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._messages = encoded_ticks()
        self._seqs: Counter[str] = Counter()
        self._publisher: KeptConnection | None = None
        self._command_port = 0

    def publish(self, flushes: int, per_flush: int) -> None:
        """Post the messages back to back, on one connection: nchan knows no batches."""
        assert self._publisher is not None, "it was made at the start"
        for _ in range(flushes * per_flush):
            self._publisher.post("/publish", next(self._messages))

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """Name the topics, one channel each, in one parameter."""
        return "/topics?ids=" + ",".join(topics)

    def steady(self, load: Load) -> None:
        """Post each message when it is due, or as soon after as nchan answers: a few may be without an answer."""
        publisher, seqs = self._publisher, self._seqs
        assert publisher is not None, "it was made at the start"
        for topic, due in load.paced():
            seqs[topic] += 1
            publisher.post(f"/tick?topic={topic}", encoded_envelope(topic, seqs[topic], due), ahead=UNANSWERED)
        publisher.finish()

    def settle(self) -> None:
        """Do nothing: nginx has no garbage."""

    def _start(self) -> None:
        with ExitStack() as stack:
            listeners = [stack.enter_context(listener) for listener in self._listen()]
            configuration = self.directory / "nginx.conf"
            configuration.write_text(
                CONFIGURATION.format(
                    module=_module(),
                    # As root, nginx would run its worker as a user who may not enter the temporary directory.
                    user=f"user {getpass.getuser()};" if os.geteuid() == 0 else "",
                    files=16384,
                    workers=self._placement.cores,
                    directory=self.directory,
                    listen=self._listen_directives(),
                )
            )
            errors = str(self.directory / "error.log")
            command = ["nginx", "-p", str(self.directory), "-e", errors, "-c", str(configuration)]
            files = tuple(listener.fileno() for listener in listeners)
            # The way in which nginx hands its sockets to a new version of itself.
            self._spawn(command, {"NGINX": "".join(f"{number};" for number in files)}, files)
        self._publisher = KeptConnection(self.host, self._command_port, self.label)

    def _listen(self) -> list[socket.socket]:
        """Open the sockets for nginx to accept from, and note their ports."""
        listener = self._listener()
        self.port = self._command_port = listener.getsockname()[1]
        return [listener]

    def _listen_directives(self) -> str:
        """Return the configuration of these sockets."""
        return f"listen {self.host}:{self.port} backlog=2048;"

    def _listener(self) -> socket.socket:
        """
        Open a socket for nginx to accept from, with TCP_NODELAY, which connections inherit.

        nginx itself sets it only on connections that have had a request before, so nchan's streams would be left with Nagle's algorithm: an
        event that is close behind another is held back until the reader has acknowledged that one, and is then sent from the reader's core.
        It would come late, and most of its sending would be missing from what is measured (three times the deliveries at 20 events per
        flush). The other servers set the option themselves.
        """
        listener = socket.create_server((self.host, 0), backlog=2048)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    def _stop(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        super()._stop()


def _module() -> Path:
    return _built_with("modules-path", "/usr/lib/nginx/modules") / "ngx_nchan_module.so"


def _built_with(option: str, default: str) -> Path:
    answer = subprocess.run(["nginx", "-V"], capture_output=True, text=True, check=True).stderr
    match = re.search(rf"--{option}=(\S+)", answer)
    return Path(match[1] if match else default)
