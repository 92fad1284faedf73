"""`pricewire serve`: what it serves, where, and within which limits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from socket import socket
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from pricewire.cli.check import Check, check_bus, check_certificate, check_database, check_journal, check_keys, check_mercure, run_checks
from pricewire.cli.history import HISTORY, History
from pricewire.cli.listening import (
    check_address,
    check_tls,
    has_terminal,
    inherited_socket,
    is_answered,
    open_socket,
    open_unix_socket,
    shared_socket,
)
from pricewire.cli.options import CONFIG, REREAD, Money, check_flush_interval, check_port, check_span, check_utilisation
from pricewire.cli.processes import PROCESSES, Processes, over_nats
from pricewire.cli.signing import keys_of, rules_of
from pricewire.cli.store import GROUP as TRADING
from pricewire.cli.store import STORE, Store
from pricewire.cli.worker_place import Worker
from pricewire.errors import FeedError, PricewireError, quoted
from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.market.archived_days import TickArchive
from pricewire.market.feed import Feed, load_feed
from pricewire.market.feeds.find import MIX, is_address, open_address, open_mix, shown_name
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.replay.recordings import PARQUET, TEXTS
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.feeds.simulated.secret import local_secret
from pricewire.market.hours import TradingHours, parse_hours
from pricewire.market.journal import KEEP_S, lock
from pricewire.market.markets import Market
from pricewire.server.admin_address import AdminAddress
from pricewire.server.app import create_app
from pricewire.server.client_address import parse_network
from pricewire.server.gateways.gathered_metrics import GatheredMetrics
from pricewire.server.gateways.own_rate import OwnRate
from pricewire.server.host_names import accepted_names
from pricewire.server.limits import Limits, allow_open_files
from pricewire.server.logs import LogForm, configure_logging, set_level
from pricewire.server.private_address import PrivateAddress
from pricewire.server.routes.page import MISSING, has_page
from pricewire.server.services import JournalSetup, TradingSetup
from pricewire.server.telemetry.signals import Telemetry, begin_telemetry, check_telemetry
from pricewire.server.topic_rules import TopicRules, read_rules
from pricewire.server.transport.serve import DRAIN_SECONDS, keep_from_collector, make_server
from pricewire.store.database import Database
from pricewire.trading.products import Products

DEFAULTS = Limits()

KEEP_TICKS_HOURS = KEEP_S / 3600

logger = logging.getLogger(__name__)

RELOADED = {
    "max_streams": "streams",
    "max_streams_per_address": "streams_per_address",
    "new_streams_per_second": "new_streams_per_second",
    "requests_per_second": "requests_per_second",
    "max_quotes": "quotes",
    "max_quotes_per_address": "quotes_per_address",
    "max_connections": "connections",
    "max_connections_per_address": "connections_per_address",
}
"""
The limits that SIGHUP reads again, by their options: what they let in is asked for each time, and nothing that is open depends on them.

Those of trading stay: they are part of what a contract was sold under. So does that of a body, which the web framework has been told.
"""

REPLAY = Group("Replay", help="For feeds of the form `replay:PATH`.", sort_key=1)
SIMULATION = Group("Simulation", help="For the feed `simulated`.", sort_key=2)
TLS = Group("TLS", sort_key=3)
LIMITS = Group("Limits", help="What would exceed one is refused before it starts; no open stream is ended for one.", sort_key=4)


def serve(
    *,
    feed: Annotated[list[str] | None, Parameter(negative=())] = None,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=check_port)] = 8080,
    origin: Annotated[list[str] | None, Parameter(negative=())] = None,
    host_name: Annotated[list[str] | None, Parameter(negative=())] = None,
    mercure: Path | None = None,
    uds: Path | None = None,
    fd: int | None = None,
    admin_host: str = "127.0.0.1",
    admin_port: Annotated[int | None, Parameter(validator=check_port)] = None,
    drain_seconds: Annotated[float, Parameter(validator=check_span)] = DRAIN_SECONDS,
    max_flush_interval: Annotated[float, Parameter(validator=check_flush_interval)] = FLUSH_POLICY.max_interval * 1000,
    target_utilisation: Annotated[float, Parameter(validator=check_utilisation)] = FLUSH_POLICY.target_utilisation,
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
    max_exposure_per_account: Annotated[dict[str, Money] | None, Parameter(group=LIMITS)] = None,
    max_exposure_per_instrument: Annotated[dict[str, Money] | None, Parameter(group=LIMITS)] = None,
    max_connections: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.connections,
    max_connections_per_address: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.connections_per_address,
    max_body_bytes: Annotated[int, Parameter(group=LIMITS)] = DEFAULTS.request_body,
    trusted_proxy: Annotated[list[str] | None, Parameter(group=LIMITS, negative=())] = None,
    topics: Path | None = None,
    log_level: Literal["debug", "info", "warning"] = "info",
    log_format: LogForm = "auto",
    demo_account: Annotated[bool | None, Parameter(group=TRADING)] = None,
    commission: Annotated[list[str] | None, Parameter(group=TRADING, negative=())] = None,
    market_hours: Annotated[list[str] | None, Parameter(group=TRADING, negative=())] = None,
    keep_ticks_hours: Annotated[float, Parameter(group=TRADING, validator=check_span)] = KEEP_TICKS_HOURS,
    trade_replays: Annotated[bool, Parameter(group=TRADING, negative=())] = False,
    store: Store = STORE,
    history: History = HISTORY,
    processes: Processes = PROCESSES,
    check: Annotated[bool, Parameter(show=False, negative=())] = False,
    worker: Annotated[Worker | None, Parameter(parse=False)] = None,
) -> None:
    """
    Serve prices, and the trading page.

    `pricewire serve` simulates ten volatility indices. `pricewire serve --feed replay:eurusd.csv --speed 50` plays a recording at fifty
    times its pace. `pricewire serve --feed my_module:MyFeed` runs a feed of your own.

    Args:
        feed: `simulated`, `replay:PATH` (CSV or Parquet; `replay:PATH=EURUSD` names the instrument), an address such as
            `nats://HOST/SUBJECT#FILE.toml`, whose file has its options, `ccxt:EXCHANGE?symbols=BTC/USDT`, `fix:FILE.cfg` with the settings
            of a FIX session, `mix:FILE.toml`, which puts several together, or `module:Class`. May be repeated.
        host: the address to listen at; `0.0.0.0` for every address of the machine.
        port: the port to listen at.
        origin: an origin whose pages may use the server, `https://example.com` for instance; any where none is given. May be repeated.
        host_name: a name that the server is reached by, `prices.example.com` for instance; `*` for any. Requests for another host are
            refused, but for addresses, `localhost` and the hosts of `origin`. Where neither is given, they are at a `host` that only this
            machine reaches. May be repeated.
        mercure: the file that describes the hub of the Mercure protocol; without it there is none.
        uds: a Unix socket to listen at instead, for a proxy on this machine: its path.
        fd: a listening socket to use instead, opened by the parent process: its file descriptor, 3 for systemd's socket activation.
        admin_host: the address of `admin_port`.
        admin_port: a port where `/metrics`, `/readyz` and `/admin` are, without TLS; they are nowhere else then. `/healthz` is at both.
        drain_seconds: how long open streams may take to end when the server stops.
        max_flush_interval: how long events may wait to be written together when the process is busier than `target_utilisation`, in
            milliseconds, 0 to 100: more saves CPU time, less makes prices younger.
        target_utilisation: how busy the thread with the streams may be, as a part of a core, before events wait for others: 1 for as
            little wait as possible.
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
        topics: a file of TOML that says of topics which others publish who may read them, and what of them is kept; see "Publishing" in the
            documentation.
        log_level: `debug` logs each stream's beginning and end too.
        log_format: `text` for people, `json` for programs, a line for each record; `auto` is text on a terminal and JSON elsewhere.
        demo_account: whether there is an account `demo` with the password `demo` and 10,000.00 USD. By default there is with the database
            in the data directory, a `host` that only this machine reaches, and neither a `trusted_proxy` nor a `host_name`.
        commission: what is added to the probability in a contract's price, at least 0.005, and 0.012 where nothing is said: of a product,
            "touch=0.02" for instance, on an instrument, "touch:R_100=0.03", up to a duration, "touch:R_100:60s=0.04" or "touch:*:5t=0.04".
        market_hours: when an instrument can be traded, `"EURUSD=America/New_York Sun 17:00-Fri 17:00"` for instance; by default whenever
            its prices come. More sessions follow after commas, and days without any after `closed`: `"DAX=Europe/Berlin Mon-Fri
            09:00-17:30 closed 2026-12-25"`. May be repeated.
        keep_ticks_hours: how long the journal keeps ticks: histories begin with them after a restart, and contracts are settled by them.
        trade_replays: trade on recordings as well. Whoever has the recording knows every price that is to come, and wins.
        store: where accounts and contracts are.
        history: whether ticks are kept for years.
        processes: what this process does, where there are several.
        check: only check all this, as `pricewire check` does.
        worker: which process of `--workers` this is.
    """
    given = dict(locals())
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
    flush = FlushPolicy(max_flush_interval / 1000, target_utilisation)
    proxies = [parse_network(text) for text in trusted_proxy or []]
    if uds is not None and fd is not None:
        raise PricewireError("--uds and --fd exclude each other: give one")
    if processes.workers is not None and (uds is not None or fd is not None):
        raise PricewireError("--workers shares a port between processes; --uds and --fd do not go with it")
    configure_logging(sys.stderr, log_level.upper(), log_format, None if worker is None else worker.name)
    # Whoever reaches a socket of the machine's is a proxy for others.
    is_proxied = bool(proxies or host_name or uds is not None or fd is not None)

    def make_feed(name: str) -> Feed:
        if name == "simulated":
            # A check makes no file, such as that of the secret.
            own_seed = 0 if check and seed is None else seed
            return SimulatedFeed(own_seed, rate, secret=local_secret(store.data_dir) if own_seed is None else None)
        if name.startswith("replay:"):
            path = name.removeprefix("replay:")
            return replay_of(path, speed=speed, loop=loop, keep_times=keep_times, timezone=timezone, market=market)
        if name.startswith(MIX):
            return open_mix(Path(name.removeprefix(MIX)), make_feed)
        if is_address(name):
            return open_address(name)
        check_feed_name(name)
        return load_feed(name)

    names = feed or ["simulated"]
    if check:
        of_market: list[Check] = [
            *((f"feed {shown_name(name)}", lambda name=name: f"{len(make_feed(name).instruments)} instruments") for name in names),
            ("journal", lambda: check_journal(store)),
        ]
        of_histories: list[Check] = [("history", lambda: "kept" if history.archive(store.data_dir) is not None else "not kept")]
        of_trading: list[Check] = [
            ("trading", lambda: check_trading(commission or [], market_hours or [])),
            ("database", lambda: check_database(store)),
            ("keys", lambda: check_keys(store)),
        ]
        of_both: list[Check] = [
            ("names", lambda: f"{accepted_names(host_name, origin or ['*']) or 'any'}"),
            ("page", lambda: "installed" if has_page() else MISSING),
        ]
        sys.exit(
            run_checks(
                [
                    ("configuration", lambda: f"{CONFIG}" if CONFIG.exists() else f"no {CONFIG} in {Path.cwd()}"),
                    ("limits", lambda: check_limits(limits)),
                    ("topics", lambda: "as usual" if topics is None else f"{topics}, {len(read_rules(topics))} patterns"),
                    ("certificate", lambda: "none" if tls_cert is None else check_certificate(tls_cert)),
                    ("bus", lambda: check_bus(processes)),
                    ("address", lambda: check_place(host, port, uds)),
                    ("telemetry", check_telemetry),
                    ("mercure", lambda: "off" if mercure is None else check_mercure(mercure)),
                    *(of_market if processes.role in ("all", "market") else []),
                    *(of_trading if processes.role in ("all", "trading") else []),
                    *(of_histories if processes.role in ("all", "trading") else []),
                    *([] if processes.role == "gateway" else of_both),
                ]
            )
        )
    if processes.workers is not None:
        check_address(host, port)
        with contextlib.ExitStack() as stack:
            # Kept, without listening, so that they are nobody else's while no worker has them.
            kept = stack.enter_context(shared_socket(host, port, "--port"))
            kept_admin = None if admin_port is None else stack.enter_context(shared_socket(admin_host, admin_port, "--admin-port"))
            ports = {"port": kept.getsockname()[1], "admin_port": None if kept_admin is None else kept_admin.getsockname()[1]}
            over_nats("pricewire.cli.workers").run_workers(
                {**given, **ports},
                count=processes.workers,
                data_dir=store.data_dir,
                drain_seconds=drain_seconds,
                on_ready=lambda: announce_place(place_of(host, ports["port"], tls=tls_cert is not None), kept_admin),
            )
        return
    is_gateway = processes.role == "gateway"
    topic_rules = TopicRules() if topics is None else read_rules(topics)
    admin = None
    if admin_port is not None and (worker is None or worker.is_gateway):
        admin = (
            open_socket(admin_host, admin_port, "--admin-port") if worker is None else shared_socket(admin_host, admin_port, "--admin-port")
        )
    if (files := allow_open_files(max_streams, max_connections)) is not None:
        logger.warning("the system lets this process open %d files, too few for %d streams: raise `ulimit -n`", files, max_streams)

    def make_application() -> Any:
        if processes.role == "trading":
            announce("Waiting for the process with the role market, if it is not there yet.")
            feeds = list(processes.market_feeds())
        else:
            feeds = [make_feed(name) for name in names]
        for name, each in zip(names, feeds, strict=False):
            if isinstance(each, ReplayFeed):
                ids = ", ".join(instrument.id for instrument in each.instruments)
                announce(f"Replaying {escape(name.removeprefix('replay:'))} as {ids}, {speed:g} times its pace.")
            elif isinstance(each, SimulatedFeed):
                announce(f"Simulating {len(each.instruments)} instruments.")
                if seed is not None:
                    logger.warning(
                        "prices can be foreseen: who knows or guesses the --seed can compute them; leave it out where money counts"
                    )
        # A process with the market may have the same data directory.
        folder = store.data_dir / ("trading" if processes.role == "trading" else "journal")
        # Who asks for histories, asks the process with trading.
        archive = None if processes.role == "market" else history.archive(store.data_dir)
        trading = None
        if processes.role != "market":
            trading = setup_of(
                store,
                host,
                demo_account,
                commissions_of(commission or []),
                keep_ticks_hours,
                folder,
                is_proxied=is_proxied,
                trades_replays=trade_replays,
                archive=archive,
            )
        brought = [instrument.id for each in feeds for instrument in each.instruments]
        for rule in () if trading is None else trading.products.commissions.rules:
            if rule.instrument_id is not None and rule.instrument_id not in brought:
                raise PricewireError(f"--commission: no feed brings {rule.instrument_id!r}; there are {', '.join(brought)}")
        if trade_replays and any(isinstance(each, ReplayFeed) for each in feeds):
            logger.warning("contracts on recordings are sold: whoever has a recording knows every price that is to come")
        if trading is not None and trading.demo_account:
            announce("Log in as [bold]demo[/bold] with the password [bold]demo[/bold]: everybody who reaches this address can.")
        # On this machine a page of any site could reach the server by a name of its own.
        reached_by = host_name or ([] if is_loopback(host) else None)
        return create_app(
            feeds,
            origins=origin or ["*"],
            limits=limits,
            flush=flush,
            trusted_proxies=proxies,
            trading=trading,
            host_names=reached_by,
            hours=dict(map(hours_of, market_hours or [])),
            admin_port=None if admin is None else admin.getsockname()[1],
            bus=processes.setup(),
            journal=JournalSetup(folder, keep_ticks_hours * 3600, archive),
            # Its streams are those of the process that gateways ask.
            mercure=None if processes.role == "market" else mercure,
            # The supervisor would start this process again.
            stop=lambda: server.stop() if worker is None else os.kill(os.getppid(), signal.SIGTERM),
            telemetry=telemetry,
            topic_rules=topic_rules,
        )

    def beside_ports(gateway: Any) -> Any:
        own: Any = gateway if worker is None else GatheredMetrics(gateway, worker.sockets)
        public: Any = OwnRate(own, gateway.admission) if admin is None else AdminAddress(own, own, admin.getsockname()[1])
        return public if worker is None else PrivateAddress(public, gateway)

    telemetry: Telemetry | None = None
    try:
        telemetry = begin_telemetry(processes.role, None if worker is None else worker.name, drain_seconds)
    except PricewireError as error:
        # Prices are served all the same. All workers have the same variables and packages, so one says it.
        if worker is None or not worker.is_gateway:
            logger.warning("%s; nothing is exported", error)
    limited = (
        processes.gateway(limits, flush, None if admin is None else admin.getsockname()[1], telemetry, topic_rules, proxies)
        if is_gateway
        else make_application()
    )
    application = beside_ports(limited) if is_gateway else limited
    if not is_gateway and not has_page():
        logger.warning(MISSING)
    # Last, so that other mistakes are reported whether the port is free or not.
    place = uds if worker is None or worker.is_gateway else worker.socket
    listener = open_unix_socket(place) if place is not None else None if fd is None else inherited_socket(fd)
    if listener is None and processes.reuse_port:
        listener = shared_socket(host, port, "--port")
    elif listener is None:
        check_address(host, port)
    # The other processes of this machine ask at a Unix socket, without it.
    has_tls = tls_cert is not None and (worker is None or worker.is_gateway)
    private = [] if worker is None or not worker.is_gateway else [open_unix_socket(worker.socket)]

    def started(port: int) -> None:
        keep_from_collector()
        if worker is None:
            reached_at = place_of(host, port, tls=tls_cert is not None) if uds is None and fd is None else f"the socket {uds or fd}"
            announce_place(reached_at, admin)

    options = REREAD.get()()

    def reload() -> None:
        nonlocal options
        if tls_cert is not None and tls_key is not None:
            try:
                check_tls(tls_cert, tls_key)
                server.reload_tls()
            except (PricewireError, OSError) as error:
                logger.error("SIGHUP: the certificate stays as it was: %s", error)
            else:
                logger.info("SIGHUP: new connections get the certificate of %s as it is now", tls_cert)
        try:
            now = REREAD.get()()
            changed = replace(server.server_state.limits, **{name: now[option] for option, name in RELOADED.items()})
        except PricewireError as error:
            logger.error("SIGHUP: the options stay as they were: %s", error)
            return
        server.server_state.limits = changed
        limited.change_limits(changed)
        set_level(now["log_level"].upper())
        for option in (name for name in now if now[name] != options[name]):
            if option in RELOADED or option == "log_level":
                logger.warning("SIGHUP: --%s is %s now", option.replace("_", "-"), now[option])
            else:
                logger.warning("SIGHUP: --%s has changed, which takes a restart", option.replace("_", "-"))
        # Of those that take one, each change is said once.
        options = now

    server = make_server(
        application,
        drain_seconds=drain_seconds,
        on_started=started,
        host=host,
        port=port,
        ssl_certfile=str(tls_cert) if has_tls else None,
        ssl_keyfile=str(tls_key) if has_tls else None,
        limits=limits,
        trusted_proxies=proxies,
        # Ours believes only the proxies that are named; uvicorn's believes everybody on this machine.
        proxy_headers=False,
        # There are no WebSockets here, and a connection that became one would escape every limit.
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        admin=private if admin is None else [admin, *private],
        on_reload=None if has_terminal() else reload,
    )
    if not is_gateway:
        limited.metrics.requests_too_large = lambda: server.server_state.requests_too_large
    server.run(None if listener is None else [listener])


def check_limits(limits: Limits) -> str:
    """
    Return how many streams there may be.

    Raises:
        PricewireError: the system does not let the process open as many files.
    """
    if (files := allow_open_files(limits.streams, limits.connections)) is not None:
        raise PricewireError(f"the system lets a process open {files} files, too few for {limits.streams} streams: raise `ulimit -n`")
    return f"{limits.streams} streams, {limits.streams_per_address} of one address"


def check_trading(commission: Sequence[str], market_hours: Sequence[str]) -> str:
    """
    Return what of trading is not as usual.

    Raises:
        PricewireError: commissions or hours cannot be read.
    """
    rules, hours = Products(commissions_of(commission)).commissions.rules, dict(map(hours_of, market_hours))
    return f"{len(rules)} commissions and the hours of {len(hours)} instruments are set"


def check_place(host: str, port: int, uds: Path | None) -> str:
    """
    Return where a server would listen.

    Raises:
        PricewireError: it cannot.
    """
    if uds is None:
        check_address(host, port)
        return f"{host}, port {port}"
    if is_answered(uds):
        raise PricewireError(f"--uds {uds}: a server listens there")
    return str(uds)


def place_of(host: str, port: int, *, tls: bool) -> str:
    """Return the address of a server."""
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def announce_place(place: str, admin: socket | None) -> None:
    """Say where a server is, and where its operators' address is."""
    if admin is not None:
        announce("Metrics, readiness and /admin are at http://{}:{}.".format(*admin.getsockname()[:2]))
    announce(f"Serving on [bold]{place}[/bold] - Ctrl-C stops.")


def announce(message: str) -> None:
    """Say what the server does: on a terminal as it is, elsewhere as a line of the log."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(message)
    else:
        logger.info(Text.from_markup(message).plain)


def check_feed_name(name: str) -> None:
    """
    Check that a feed's name is one of a module's class; a file, above all, is given in another way.

    Raises:
        FeedError: it is something else; the text says what is meant.
    """
    if ":" in name and not Path(name).is_file():
        return
    if Path(name).suffix.lower() in (*TEXTS, *PARQUET) or Path(name).is_file():
        raise FeedError(f"--feed {name}: a recording is played by --feed replay:{name}")
    raise FeedError(f"--feed {name}: there is no such feed; give simulated, replay:PATH or 'module:Class'")


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


def commissions_of(texts: Sequence[str]) -> dict[str, float]:
    """
    Return commissions by whose they are, as `Commissions` reads them.

    Args:
        texts: `touch:R_100=0.03`, for instance.

    Raises:
        PricewireError: one cannot be read, or two are of the same.
    """
    commissions: dict[str, float] = {}
    for text in texts:
        whose, equals, number = (part.strip() for part in text.rpartition("="))
        try:
            commission = float(number)
        except ValueError:
            commission = math.nan
        if not equals or math.isnan(commission):
            raise PricewireError(f"--commission {quoted(text)} is not written as 'touch=0.02' or 'touch:R_100:60s=0.03'")
        if whose in commissions:
            raise PricewireError(f"--commission: there are two of {whose!r}; give one")
        commissions[whose] = commission
    return commissions


def hours_of(text: str) -> tuple[str, TradingHours]:
    """
    Return an instrument and its trading hours.

    Args:
        text: `EURUSD=America/New_York Sun 17:00-Fri 17:00`, for instance.

    Raises:
        FeedError: it cannot be read.
    """
    instrument_id, equals, hours = text.partition("=")
    if not equals:
        raise FeedError(f"--market-hours {text!r} names no instrument; write it before the hours, with '=' between them")
    return instrument_id.strip(), parse_hours(hours)


def setup_of(
    store: Store,
    host: str,
    demo_account: bool | None = None,
    commissions: Mapping[str, float] | None = None,
    keep_ticks_hours: float = KEEP_TICKS_HOURS,
    journal: Path | None = None,
    *,
    is_proxied: bool = False,
    trades_replays: bool = False,
    archive: TickArchive | None = None,
) -> TradingSetup:
    """
    Return what a server's trading needs; the database has been opened once, to try it.

    Args:
        store: where its data are.
        host: the address that the server listens at.
        demo_account: whether there is to be the account `demo`; None for where nobody else reaches it.
        commissions: those that are not the usual one, as `Commissions` reads them.
        keep_ticks_hours: how long the journal keeps ticks.
        journal: its folder; None for the usual one.
        is_proxied: whether others reach the server by a proxy or a name, wherever it listens.
        trades_replays: whether to trade on recordings.
        archive: where the journal's days go that are closed; None for nowhere.

    Raises:
        PricewireError: the database, the keys or the commissions cannot be used.
    """
    products = Products(commissions)
    asyncio.run(open_once(store.address))
    # Another server may have it, which is to be said before this one begins.
    journal = journal or store.data_dir / "journal"
    os.close(lock(journal))
    if demo_account is None:
        demo_account = store.database is None and is_loopback(host) and not is_proxied
    return TradingSetup(
        store.address,
        journal,
        keys_of(store),
        rules_of(store),
        demo_account,
        products,
        keep_ticks_hours * 3600,
        trades_replays,
        store.data_dir / "bus",
        archive,
    )


async def open_once(address: str | Path) -> None:
    """Open a database and close it again, so that an error shows before the server starts."""
    await (await Database.open(address)).close()


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
