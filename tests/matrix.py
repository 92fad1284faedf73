"""
The two commands on every kind of machine that this one can show: `make matrix`.

Each scenario is a fresh clone of the last commit under conditions of its own. In it `make run` has to serve the page and a price, and
`make test` has to pass; as in CI, what fails beside others has to pass by itself. What this machine cannot show is said, with what it
lacks. Conditions are combined: each is in one scenario.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CONDITIONS = {
    "user": "as a user who is not root, and whose home directory cannot be written",
    "folder": "in a folder whose path has a space and an umlaut",
    "alone": "without ../shared",
    "background": "from a background shell: SIGINT and SIGHUP ignored, no terminal, no standard input",
    "ascii": "LC_ALL=C",
    "german": "a German locale",
    "kolkata": "TZ=Asia/Kolkata",
    "proxy": "a proxy named in the environment that answers nobody",
    "ports": "ports 8080 and 5432 taken",
    "random": "in random order, in four processes",
    "older": "with the environment that the commit before has made",
    "again": "a second time in the same clone",
}

PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")

DEBIAN_PACKAGES = ("ca-certificates", "git", "make", "nodejs", "npm", "python3")
"""What a Debian is expected to have before the first command."""

COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
"""What a terminal takes for a colour, or for where to go on."""

ANY_AGE = 'Acquire::Check-Valid-Until "false";'

DEBIAN_ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TMPDIR": "/tmp",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
"""What commands see there, beside this process's own environment."""

HIDDEN = frozenset({"PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"})
"""Variables of this process that the commands do not see: those of the environment and the `make` that it runs in."""

NOBODY = ("runuser", "-u", "nobody", "--")

START_TIMEOUT = 900
"""How long the first `make run` may take to install and serve, in seconds, on a machine that does other things too."""

TEST_TIMEOUT = 5400
"""How long `make test` may take, in seconds."""


class MissingError(Exception):
    """This machine cannot show a scenario; the text says what it lacks."""


class FailedError(Exception):
    """A command did not do what is promised; the text says what it did."""


@dataclass(frozen=True)
class Scenario:
    """
    A kind of machine.

    Attributes:
        name: what to call it by.
        python: the version of Python, as `3.12`; `oldest` for the oldest that is promised and that is here.
        conditions: keys of `CONDITIONS`.
        debian: the release of Debian that is set up in a directory of its own; empty for this machine's system.
        tests: the command that has to pass.
    """

    name: str
    python: str
    conditions: tuple[str, ...] = ()
    debian: str = ""
    tests: str = "test"

    def __str__(self) -> str:
        system = f"Debian {self.debian}, " if self.debian else ""
        return f"{system}Python {self.python}" + "".join(f"; {CONDITIONS[name]}" for name in self.conditions)


SCENARIOS = (
    # Not with LC_ALL=C: Python itself does not start then in an environment whose path is not ASCII.
    Scenario("user", "oldest", ("user", "folder", "alone", "background")),
    Scenario("random", "3.12", ("random", "kolkata", "german", "proxy", "ports")),
    Scenario("upgrade", "3.13", ("older", "again", "ascii")),
    Scenario("debian-13", "3.13", ("alone",), debian="trixie"),
    # Its Node, 24.21, drops a byte order mark too much where the first was cut in two, and throws where a request is aborted: two tests of
    # the browser library find that.
    Scenario("debian-testing", "3.14", ("background",), debian="testing", tests="test-python"),
)


@dataclass
class Place:
    """
    Where a scenario runs, and how commands are run there.

    Attributes:
        folder: the clone, as seen from this system.
        inside: the clone, as seen by the commands.
        prefix: what each command begins with.
        environment: what the commands see beside this process's own environment.
        python: the interpreter, as the commands name it.
        terminal: whether the commands have one.
        log: where their output is added.
    """

    folder: Path
    inside: str
    prefix: Sequence[str]
    environment: Mapping[str, str]
    python: str
    terminal: bool
    log: Path

    def start(self, *command: str, **more: str) -> Process:
        """Start a command in the clone."""
        kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        environment = {**kept, **self.environment, **more}
        return Process([*self.prefix, *command], self.folder, environment, self.terminal, self.log)

    def make(self, *arguments: str, **more: str) -> str:
        """Run `make` in the clone to its end, and return what it printed; raise `FailedError` where it failed."""
        command = ("make", "-C", self.inside, f"PYTHON={self.python}", *arguments)
        with self.start(*command, **more) as process:
            process.wait(TEST_TIMEOUT)
            if process.returncode != 0:
                raise FailedError(f"`make {' '.join(arguments)}` ended with {process.returncode}; see {self.log}")
            return process.output()


class Process:
    """
    A command with all that it starts; its output goes to a file, by way of a terminal where it is to have one.

    Args:
        command: the command.
        folder: where it runs.
        environment: all of its environment.
        terminal: whether it has a terminal; without one it is started as a background shell starts it.
        log: where its output is added.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], terminal: bool, log: Path) -> None:
        self._log = log.open("ab")
        self._begin = log.stat().st_size
        self._path = log
        self._copier: threading.Thread | None = None
        if terminal:
            ours, theirs = pty.openpty()
            self._copier = threading.Thread(target=self._copy, args=(ours,), daemon=True)
            self._copier.start()
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
            os.close(theirs)
            return
        # Only what is ignored is inherited.
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
        try:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=False,
            )
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._copier is not None:
            self._copier.join(10)
        self._log.close()

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it, and all that it started, to end."""
        os.killpg(self._process.pid, signal.SIGTERM)

    def wait(self, timeout: float) -> None:
        """Wait for its end, or raise `FailedError` after so many seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise FailedError(f"it has not ended after {timeout:g} seconds; see {self._path}") from None

    def output(self) -> str:
        """Return what it has printed so far, without the colours."""
        text = self._path.read_bytes()[self._begin :].decode("utf-8", "replace")
        return COLOUR.sub("", text)

    def _copy(self, terminal: int) -> None:
        # The terminal of a process that has ended gives an error, not an end.
        with contextlib.suppress(OSError):
            while data := os.read(terminal, 65536):
                self._log.write(data)
                self._log.flush()
        os.close(terminal)


def find_python(version: str, user: bool) -> str:
    """
    Return an interpreter with `venv`: `3.12`, or `oldest` for the oldest from 3.11 on; one that a user without rights can reach, where
    `user` says so. Raise `MissingError` where there is none.
    """
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *sorted(Path.home().glob(".pyenv/versions/*/bin"))]
    found: dict[tuple[int, ...], str] = {}
    for folder in folders:
        for path in folder.glob("python3.[0-9]*"):
            if not re.fullmatch(r"python3\.\d+", path.name) or "shims" in path.parts:
                continue
            script = "import sys, venv, ensurepip; print(*sys.version_info[:3])"
            command = [*(NOBODY if user and os.geteuid() == 0 else ()), str(path), "-c", script]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                found.setdefault(tuple(map(int, answer.stdout.split())), str(path))
    fitting = {key: path for key, path in found.items() if (key >= (3, 11) if version == "oldest" else version == f"{key[0]}.{key[1]}")}
    if not fitting:
        raise MissingError(f"there is no Python {version}" + (" for a user without rights" if user else ""))
    return fitting[min(fitting)]


def check_command(name: str, reason: str) -> None:
    """
    Raises:
        MissingError: there is no such command here.
    """
    if shutil.which(name) is None:
        raise MissingError(f"there is no `{name}`, {reason}")


@contextlib.contextmanager
def taken(*ports: int) -> Iterator[None]:
    """Have ports taken while the block runs, by this process or, where they are taken already, by whoever has them."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def german(directory: Path) -> dict[str, str]:
    """Make a German locale, and return the environment that chooses it, or raise `MissingError`."""
    check_command("localedef", "which makes a locale")
    if (
        subprocess.run(
            ["localedef", "-i", "de_DE", "-f", "UTF-8", str(directory / "de_DE.UTF-8")], capture_output=True, check=False
        ).returncode
        > 1
    ):
        raise MissingError("localedef has no de_DE: install Debian's package locales")
    return {"LOCPATH": str(directory), "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}


def debian(release: str, directory: Path) -> Path:
    """Set a release of Debian up in a directory, or raise `MissingError`, and return where its root is; once made, it is used again."""
    if os.geteuid() != 0:
        raise MissingError("only root can set a Debian up beside this one")
    check_command("debootstrap", "which sets a Debian up: install Debian's package of that name")
    sources = [*Path("/etc/apt").glob("sources.list"), *Path("/etc/apt/sources.list.d").glob("*.sources")]
    text = "\n".join(path.read_text() for path in sources)
    mirror = re.search(r"^(?:URIs:|deb)\s+(\S+)", text, re.MULTILINE)
    if mirror is None:
        raise MissingError("apt's sources name no mirror")
    root = directory / release
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        steps = (
            ("debootstrap", "--variant=minbase", release, str(root), mirror[1]),
            # A mirror may stand still: the last state of a release is good enough to try it.
            (*inside(root), "sh", "-c", f"echo '{ANY_AGE}' > /etc/apt/apt.conf.d/any-age"),
            (*inside(root), "apt-get", "update"),
            (*inside(root), "apt-get", "install", "--yes", "--no-install-recommends", *DEBIAN_PACKAGES),
        )
        with (directory / f"{release}.log").open("wb") as log:
            for step in steps:
                environment = {**os.environ, **DEBIAN_ENVIRONMENT}
                if subprocess.run(step, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False).returncode != 0:
                    raise MissingError(f"{release} cannot be set up; see {log.name}")
        # The settings of this machine's package clients, without which they may reach nothing.
        for path in (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/resolv.conf"), Path("/etc/hosts")):
            if path.exists():
                shutil.copy(path, root / path.relative_to("/"))
        for path in (Path.home() / ".npmrc", Path.home() / ".config/pip/pip.conf"):
            if path.exists():
                (root / "root" / path.relative_to(Path.home())).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, root / "root" / path.relative_to(Path.home()))
        (root / "complete").touch()
    return root


def inside(root: Path) -> tuple[str, ...]:
    """Return what a command begins with that is to see a directory as its whole system; what it mounts goes with it."""
    # Bound to itself, the directory is a mount of its own, as the root of a system is: `ip netns` insists on that.
    mounts = ('--bind "$0" "$0"', '--rbind /dev "$0/dev"', '-t proc proc "$0/proc"', '-t sysfs sys "$0/sys"')
    script = " && ".join([*(f"mount {mount}" for mount in mounts), 'exec chroot "$0" "$@"'])
    return ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, str(root))


def clone(folder: Path, shared: bool) -> None:
    """Clone the last commit, with `../shared` beside it or not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    if shared and (ROOT.parent / "shared").is_dir():
        (folder.parent / "shared").symlink_to(ROOT.parent / "shared")


def settle(scenario: Scenario, directory: Path, cache: Path, log: Path) -> Place:
    """Make the place of a scenario, or raise `MissingError` where this machine cannot show it."""
    conditions = scenario.conditions
    user = "user" in conditions
    environment: dict[str, str] = {}
    if "ascii" in conditions:
        environment |= {"LC_ALL": "C", "LANG": "C"}
    if "kolkata" in conditions:
        environment["TZ"] = "Asia/Kolkata"
    if "german" in conditions:
        environment |= german(directory)
    name = "Größe und Preis/pricewire" if "folder" in conditions else "pricewire"
    terminal = "background" not in conditions
    if scenario.debian:
        root = debian(scenario.debian, cache)
        folder = root / "srv" / name
        shutil.rmtree(folder.parent, ignore_errors=True)
        clone(folder, shared=False)
        prefix = inside(root)
        environment |= DEBIAN_ENVIRONMENT
        return Place(folder, f"/srv/{name}", prefix, environment, "python3", terminal, log)
    python = find_python(scenario.python, user)
    folder = directory / name
    clone(folder, shared="alone" not in conditions)
    prefix = ()
    if user and os.geteuid() == 0:
        check_command("runuser", "which runs a command as another user")
        subprocess.run([ROOT / "tests/install-system-packages"], check=True)
        environment["HOME"] = "/nonexistent"
        prefix = NOBODY
        subprocess.run(["chown", "-R", "nobody", str(directory)], check=True)
    return Place(folder, str(folder), prefix, environment, python, terminal, log)


def check_run(place: Place, **more: str) -> None:
    """Check that `make run` serves the page and a price, or raise `FailedError`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ("make", "-C", place.inside, "run", f"PYTHON={place.python}", f"ARGS=--port {port}")
    with place.start(*command, **more) as process:
        deadline = time.monotonic() + START_TIMEOUT
        while "Serving on" not in process.output():
            if process.returncode is not None or time.monotonic() > deadline:
                raise FailedError(f"`make run` does not serve; see {place.log}")
            time.sleep(0.5)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}/", timeout=60) as page:
            if b"<title>Pricewire" not in page.read():
                raise FailedError("`make run` serves no page")
        with opener.open(f"http://127.0.0.1:{port}/sse?topic=ticks:R_100", timeout=60) as stream:
            data = next(line for line in stream if line.startswith(b"data:"))
            if "price" not in json.loads(data[5:])["data"]:
                raise FailedError(f"`make run` sends no price but {data!r}")
        process.interrupt()
        process.wait(60)


def check_taken(place: Place) -> None:
    """Check that `make run` says in plain words that its port is taken, or raise `FailedError`."""
    with place.start("make", "-C", place.inside, "run", f"PYTHON={place.python}") as process:
        process.wait(START_TIMEOUT)
        said = process.output()
        if process.returncode == 0 or "Traceback" in said or "8080" not in said or "--port" not in said:
            raise FailedError(f"`make run` does not say that port 8080 is taken; see {place.log}")


def play(scenario: Scenario, place: Place, pytest: str) -> str:
    """Run both commands, and return how the tests ended; raise `FailedError` where one did not do what is promised."""
    conditions = scenario.conditions
    more = PROXY if "proxy" in conditions else {}
    if "older" in conditions:
        subprocess.run(["git", "-C", str(place.folder), "checkout", "--quiet", "HEAD~1"], check=True)
        place.make(".venv/dev")
        subprocess.run(["git", "-C", str(place.folder), "checkout", "--quiet", "-"], check=True)
    # What installs needs the network, which the proxy that answers nobody would cut off.
    check_run(place)
    place.make("prepare")
    options = "-p randomly --numprocesses 4 --dist load" if "random" in conditions else ""
    with taken(8080, 5432) if "ports" in conditions else contextlib.nullcontext():
        if more:
            check_run(place, **more)
        if "ports" in conditions:
            check_taken(place)
        return "; again: ".join(
            test(place, scenario.tests, f"PYTEST={options} {pytest}", **more) for _ in range(1 + ("again" in conditions))
        )


def test(place: Place, command: str, options: str, **more: str) -> str:
    """Run the tests, and return how they ended. As in CI, what fails beside others has to pass by itself."""
    try:
        return outcome(place.make(command, options, **more))
    except FailedError:
        beside = outcome(place.log.read_text(errors="replace"))
        return f"{beside}; by themselves: {outcome(place.make('test-failed', **more))}"


def outcome(said: str) -> str:
    """Return what pytest has said last of how tests ended."""
    found: list[str] = re.findall(r"=+ ((?:\d+ failed, )?\d+ passed.*?) =+", COLOUR.sub("", said))
    return found[-1] if found else "no tests"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make matrix", description="Run `make run` and `make test` on every kind of machine that this one can show."
    )
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"one of {', '.join(each.name for each in SCENARIOS)}; all by default"
    )
    parser.add_argument("--pytest", default="", help="options for pytest, such as a path: to try the matrix itself")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir(), "pricewire-matrix"),
        help="where other systems are set up; kept for the next time",
    )
    options = parser.parse_args()
    names = {each.name for each in SCENARIOS}
    if unknown := set(options.scenarios) - names:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(sorted(names))}")
    options.cache.mkdir(parents=True, exist_ok=True)
    failed = 0
    for scenario in SCENARIOS:
        if options.scenarios and scenario.name not in options.scenarios:
            continue
        began = time.monotonic()
        print(f"{scenario.name}: {scenario}", flush=True)
        log = options.cache / f"{scenario.name}.log"
        log.write_bytes(b"")
        with tempfile.TemporaryDirectory(prefix="pricewire-matrix-", ignore_cleanup_errors=True) as directory:
            Path(directory).chmod(0o755)
            try:
                result = play(scenario, settle(scenario, Path(directory), options.cache, log), options.pytest)
            except MissingError as error:
                result = f"not shown here: {error}"
            except FailedError as error:
                failed += 1
                result = f"FAILED: {error}"
        print(f"{scenario.name}: {result} ({(time.monotonic() - began) / 60:.1f} min)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
