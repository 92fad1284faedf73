"""The command line: serve, watch, accounts and tokens."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Group, Parameter
from cyclopts.config import Env, Toml
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from pricewire.cli.account import GROUP as TRADING
from pricewire.cli.account import KEEP_TICKS_HOURS, STORE, Store, accounts, is_loopback, token
from pricewire.cli.options import check_address, check_file, check_port, check_span, check_tls
from pricewire.cli.processes import PROCESSES, Processes
from pricewire.cli.record import record as record_ticks
from pricewire.cli.watch import watch as watch_prices
from pricewire.errors import PricewireError
from pricewire.market.feed import Feed, load_feed
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.markets import Market
from pricewire.server.app import create_app
from pricewire.server.client_address import Network, parse_network
from pricewire.server.limits import Limits, allow_open_files
from pricewire.server.logs import configure_logging
from pricewire.server.transport.serve import DRAIN_SECONDS, keep_from_collector, make_server

CONFIG = Path("pricewire.toml")
DEFAULTS = Limits()

logger = logging.getLogger(__name__)

app = App(
    name="pricewire",
    version=version("pricewire"),
    help="""
    Live trading data over Server-Sent Events.

    Begin with `pricewire serve`, open http://127.0.0.1:8080 in a browser, and in another terminal try
    `pricewire watch R_100`, or `curl -N 'http://127.0.0.1:8080/sse?topic=ticks:R_100'`.

    Every option can also stand in an environment variable (`PRICEWIRE_PORT=9000`), or in `pricewire.toml` in the working directory,
    under the command's name (`[serve]`, then `port = 9000`).
    """,
    help_format="markdown",
)
app.register_install_completion_command()
app.command(accounts)
app.command(token)

REPLAY = Group("Replay", help="For feeds of the form `replay:PATH`.", sort_key=1)
SIMULATION = Group("Simulation", help="For the feed `simulated`.", sort_key=2)
TLS = Group("TLS", sort_key=3)
LIMITS = Group("Limits", help="What would exceed one is refused before it starts; no open stream is ended for one.", sort_key=4)


@app.command
def serve(
    *,
    feed: Annotated[list[str] | None, Parameter(negative=())] = None,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=check_port)] = 8080,
    origin: Annotated[list[str] | None, Parameter(negative=())] = None,
    host_name: Annotated[list[str] | None, Parameter(negative=())] = None,
    drain_seconds: Annotated[float, Parameter(validator=check_span)] = DRAIN_SECONDS,
    speed: Annotated[float, Parameter(group=REPLAY)] = 1.0,
    loop: Annotated[bool, Parameter(group=REPLAY)] = True,
    keep_times: Annotated[bool, Parameter(group=REPLAY, negative=())] = False,
    timezone: Annotated[str | None, Parameter(group=REPLAY)] = None,
    market: Annotated[Market | None, Parameter(group=REPLAY)] = None,
    seed: Annotated[int | None, Parameter(group=SIMULATION)] = None,
    rate: Annotated[float, Parameter(group=SIMULATION)] = 1.0,
    tls_cert: Annotated[Path | None, Parameter(group=TLS)] = None,
    tls_key: Annotated[Path | None, Parameter(group=TLS)] = None,
    max_streams: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.streams,
    max_streams_per_address: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.streams_per_address,
    new_streams_per_second: Annotated[float, Parameter(group=LIMITS)] = DEFAULTS.new_streams_per_second,
    requests_per_second: Annotated[float, Parameter(group=LIMITS)] = DEFAULTS.requests_per_second,
    max_quotes: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.quotes,
    max_quotes_per_address: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.quotes_per_address,
    max_open_contracts: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.open_contracts_per_account,
    purchases_per_second: Annotated[float, Parameter(group=LIMITS)] = DEFAULTS.purchases_per_second,
    max_exposure_per_account: Annotated[dict[str, Decimal] | None, Parameter(group=LIMITS)] = None,
    max_exposure_per_instrument: Annotated[dict[str, Decimal] | None, Parameter(group=LIMITS)] = None,
    max_connections: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.connections,
    max_connections_per_address: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.connections_per_address,
    max_body_bytes: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.request_body,
    trusted_proxy: Annotated[list[str] | None, Parameter(group=LIMITS, negative=())] = None,
    log_level: Literal["debug", "info", "warning"] = "info",
    demo_account: Annotated[bool | None, Parameter(group=TRADING)] = None,
    commission: Annotated[dict[str, float] | None, Parameter(group=TRADING)] = None,
    keep_ticks_hours: Annotated[float, Parameter(group=TRADING, validator=check_span)] = KEEP_TICKS_HOURS,
    trade_replays: Annotated[bool, Parameter(group=TRADING, negative=())] = False,
    store: Store = STORE,
    processes: Processes = PROCESSES,
) -> None:
    """
    Serve prices, and the trading page.

    `pricewire serve` simulates ten volatility indices. `pricewire serve --feed replay:eurusd.csv --speed 50` plays a recording at fifty
    times its pace. `pricewire serve --feed my_module:MyFeed` runs a feed of your own.

    Args:
        feed: `simulated`, `replay:PATH` (CSV or Parquet; `replay:PATH=EURUSD` names the instrument) or `module:Class`. May be repeated.
        host: the address to listen at; `0.0.0.0` for every address of the machine.
        port: the port to listen at.
        origin: an origin whose pages may use the server, `https://example.com` for instance; any where none is given. May be repeated.
        host_name: a name that the server is reached by, `prices.example.com` for instance; `*` for any. Requests for another host are
            refused, but for addresses, `localhost` and the hosts of `origin`. Where neither is given, they are at a `host` that only this
            machine reaches. May be repeated.
        drain_seconds: how long open streams may take to end when the server stops.
        speed: how many times its own pace a recording is played at.
        loop: whether a recording begins again at its end.
        keep_times: publish ticks with the times of the recording, not of the replay.
        timezone: where the times of a recording without a zone were taken, `America/New_York` for instance.
        market: of recorded instruments. By default `Forex`, `Cryptocurrency` or `Commodities` for those named like a pair, else `Stocks`.
        seed: make the simulated prices from this number instead of the secret in the data directory, the same ones everywhere: for tests
            and demonstrations, since whoever knows or guesses it can predict all prices.
        rate: multiplies the number of simulated ticks, for load; another rate has other prices.
        tls_cert: the server's certificate chain, in PEM.
        tls_key: its private key, in PEM.
        max_streams: open streams in all.
        max_streams_per_address: open streams from one client address.
        new_streams_per_second: streams that may start; after a quiet time two seconds' worth at once.
        requests_per_second: requests of any kind that one client address may make; after a quiet time ten seconds' worth at once.
        max_quotes: distinct proposals and contract prices that have streams.
        max_quotes_per_address: those with streams from one client address.
        max_open_contracts: open contracts of one account.
        purchases_per_second: purchases that one account may make; after a quiet time two seconds' worth at once.
        max_exposure_per_account: how much the open contracts of one account may win, in a currency: `--max-exposure-per-account.USD 50000`
            for instance. Any amount where none is given.
        max_exposure_per_instrument: how much the open contracts on one instrument may win, of all accounts of a currency together: what the
            house may lose by it. Any amount where none is given.
        max_connections: connections that are no streams in all; of more, those are closed that have waited longest for a request.
        max_connections_per_address: the same of one client address.
        max_body_bytes: the size of a request's body.
        trusted_proxy: the address or network of a proxy in front, `10.0.0.0/8` for instance: from there, and from nowhere else, `Forwarded`
            and `X-Forwarded-For` are trusted about the client's address. May be repeated.
        log_level: `debug` logs each stream's beginning and end too.
        demo_account: whether there is an account `demo` with the password `demo` and 10,000.00 USD. By default there is with the database
            in the data directory, a `host` that only this machine reaches, and neither a `trusted_proxy` nor a `host_name`.
        commission: of a product, `--commission.touch 0.02` for instance: what is added to the probability in a contract's price; 0.012
            where none is given.
        keep_ticks_hours: how long the journal keeps ticks: histories begin with them after a restart, and contracts are settled by them.
        trade_replays: trade on recordings as well. Whoever has the recording knows every price that is to come, and wins.
        store: where accounts and contracts are.
        processes: what this process does, where there are several.
    """
    processes.check()
    if (tls_cert is None) != (tls_key is None):
        raise PricewireError("--tls-cert and --tls-key go together: give both, or neither")
    if tls_cert is not None and tls_key is not None:
        check_tls(tls_cert, tls_key)
    limits = Limits(
        streams=max_streams,
        streams_per_address=max_streams_per_address,
        new_streams_per_second=new_streams_per_second,
        requests_per_second=requests_per_second,
        quotes=max_quotes,
        quotes_per_address=max_quotes_per_address,
        open_contracts_per_account=max_open_contracts,
        purchases_per_second=purchases_per_second,
        exposure_per_account=max_exposure_per_account or {},
        exposure_per_instrument=max_exposure_per_instrument or {},
        connections=max_connections,
        connections_per_address=max_connections_per_address,
        request_body=max_body_bytes,
    )
    proxies = [parse_network(text) for text in trusted_proxy or []]
    configure_logging(sys.stderr, log_level.upper())
    serving = Serving(
        host,
        port,
        drain_seconds=drain_seconds,
        tls_cert=tls_cert,
        tls_key=tls_key,
        limits=limits,
        trusted_proxies=proxies,
        reuse_port=processes.reuse_port,
    )
    if processes.role == "gateway":
        serving.run(processes.gateway(limits))
        return
    feeds: list[Feed] = []
    for name in feed or ["simulated"]:
        if name == "simulated":
            simulated = SimulatedFeed(seed, rate, secret=store.market_secret() if seed is None else None)
            feeds.append(simulated)
            announce(f"Simulating {len(simulated.instruments)} instruments.")
            if seed is not None:
                logger.warning("prices can be foreseen: who knows or guesses the --seed can compute them; leave it out where money counts")
        elif name.startswith("replay:"):
            path = name.removeprefix("replay:")
            replay = replay_of(path, speed=speed, loop=loop, keep_times=keep_times, timezone=timezone, market=market)
            feeds.append(replay)
            names = ", ".join(instrument.id for instrument in replay.instruments)
            announce(f"Replaying {escape(name.removeprefix('replay:'))} as {names}, {speed:g} times its pace.")
        else:
            feeds.append(load_feed(name))
    if (files := allow_open_files(max_streams, max_connections)) is not None:
        logger.warning("the system lets this process open %d files, too few for %d streams: raise `ulimit -n`", files, max_streams)
    trading = store.setup(
        host, demo_account, commission, keep_ticks_hours, is_proxied=bool(proxies or host_name), trades_replays=trade_replays
    )
    if trade_replays and any(isinstance(each, ReplayFeed) for each in feeds):
        logger.warning("contracts on recordings are sold: whoever has a recording knows every price that is to come")
    if trading.demo_account:
        announce("Log in as [bold]demo[/bold] with the password [bold]demo[/bold]: everybody who reaches this address can.")
    # On this machine a page of any site could reach the server by a name of its own.
    reached_by = host_name or ([] if is_loopback(host) else None)
    setup = processes.setup()
    serving.run(
        create_app(
            feeds, origins=origin or ["*"], limits=limits, trusted_proxies=proxies, trading=trading, host_names=reached_by, bus=setup
        )
    )


@dataclass(frozen=True, kw_only=True)
class Serving:
    """
    How an application is served.

    Attributes:
        host: the address to listen at.
        port: the port.
        drain_seconds: how long streams may take to end.
        tls_cert: the certificate chain; None for none.
        tls_key: its private key.
        limits: how much is let in.
        trusted_proxies: the networks of proxies in front.
        reuse_port: whether other processes listen at the same port.
    """

    host: str = field(kw_only=False)
    port: int = field(kw_only=False)
    drain_seconds: float
    tls_cert: Path | None
    tls_key: Path | None
    limits: Limits
    trusted_proxies: Sequence[Network]
    reuse_port: bool

    def run(self, application: Any) -> None:
        """
        Serve an application until it is interrupted.

        Raises:
            PricewireError: the address cannot be listened at.
        """
        host, port = self.host, self.port
        # Last, so that other mistakes are reported whether the port is free or not.
        if not self.reuse_port:
            check_address(host, port)
        address = f"{'https' if self.tls_cert else 'http'}://{f'[{host}]' if ':' in host else host}"

        def started(port: int) -> None:
            keep_from_collector()
            announce(f"Serving on [bold]{address}:{port}[/bold] - Ctrl-C stops.")

        make_server(
            application,
            drain_seconds=self.drain_seconds,
            on_started=started,
            host=host,
            port=port,
            ssl_certfile=self.tls_cert and str(self.tls_cert),
            ssl_keyfile=self.tls_key and str(self.tls_key),
            limits=self.limits,
            trusted_proxies=self.trusted_proxies,
            # Ours believes only the proxies that are named; uvicorn's believes everybody on this machine.
            proxy_headers=False,
            # There are no WebSockets here, and a connection that became one would escape every limit.
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
        ).run(sockets=[shared_socket(host, port)] if self.reuse_port else None)


def shared_socket(host: str, port: int) -> socket.socket:
    """
    Return a socket at an address that other processes have such sockets at, too: the system spreads new connections over them.

    Raises:
        PricewireError: it cannot be had.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise PricewireError("--reuse-port: this system cannot share a port between processes")
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise PricewireError(f"port {port} of {host}: {error.strerror}") from None
    return listener


def announce(message: str) -> None:
    """Say what the server does: on a terminal as it is, elsewhere as a line of the log."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(message)
    else:
        logger.info(Text.from_markup(message).plain)


@app.command
def watch(*instruments: str, url: str = "http://127.0.0.1:8080") -> None:
    """
    Watch prices in the terminal.

    `pricewire watch R_100 EURUSD` shows price, change, ticks per second, age, and the state of the connection; Ctrl-C ends it.

    Args:
        instruments: whose prices, `R_100` for instance.
        url: the server.
    """
    if not instruments:
        raise PricewireError("name the instruments to watch: pricewire watch R_100 EURUSD")
    sys.exit(asyncio.run(watch_prices(url, list(instruments), Console())))


@app.command
def record(
    *instruments: str,
    to: Path,
    url: str = "http://127.0.0.1:8080",
    token: str | None = None,
    count: int | None = None,
) -> None:
    """
    Record ticks into a Parquet file, which `pricewire serve --feed replay:PATH` plays.

    `pricewire record R_100 EURUSD --to ticks.parquet` records until Ctrl-C. The file is complete at any moment; a recording that was
    interrupted goes on where it stopped when the same command is given again.

    Args:
        instruments: whose ticks, `R_100` for instance.
        to: the file.
        url: the server.
        token: a bearer token, if the server wants one; better set as `PRICEWIRE_TOKEN`, which other users of the machine cannot see.
        count: how many ticks are enough.
    """
    if not instruments:
        raise PricewireError("name the instruments to record: pricewire record R_100 --to ticks.parquet")
    sys.exit(asyncio.run(record_ticks(url, list(instruments), to, Console(stderr=True), token=token, count=count)))


@app.meta.default
def launch(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)], config: Path | None = None) -> None:
    """
    Run a command with its options from the command line, the environment and a file, in this order.

    Args:
        tokens: the command and its options.
        config: a TOML file with options; `pricewire.toml` in the working directory where none is given.
    """
    if config is not None or CONFIG.exists():
        check_file(config or CONFIG, app)
    app.config = (Env("PRICEWIRE_", command=False), Toml(config or CONFIG))
    app(tokens)


def replay_of(text: str, *, speed: float, loop: bool, keep_times: bool, timezone: str | None, market: Market | None) -> ReplayFeed:
    """
    Return the feed that plays a recording.

    Args:
        text: its path, or `PATH=ID`, where ID is the instrument.
        speed: how many times its own pace.
        loop: whether it begins again at its end.
        keep_times: whether ticks have the times of the recording.
        timezone: where times without a zone were taken.
        market: the market of its instruments; None to tell it by their names.

    Raises:
        FeedError: the recording cannot be used.
    """
    path, _, instrument_id = text.rpartition("=") if "=" in text and not Path(text).exists() else (text, "", "")
    return ReplayFeed(
        Path(path), instrument_id=instrument_id or None, speed=speed, loop=loop, keep_times=keep_times, timezone=timezone, market=market
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run the command line; errors of ours are one line, without a traceback.

    Args:
        arguments: what follows the program's name; by default this process's arguments.
    """
    # The one of an earlier call in this process would be read before `launch` has checked it.
    app.config = ()
    try:
        app.meta(arguments)
    except PricewireError as error:
        Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(
            f"[bold red]pricewire:[/] {escape(str(error))}", markup=True
        )
        sys.exit(1)
