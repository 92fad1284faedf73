"""The files of `deploy/`: they fit together, and the real programs take every command and configuration in them."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench.servers.nats import NatsServer, free_ports
from bench.servers.nats import program as nats_program

from support.command import pricewire
from support.postgres import Postgres
from support.serving import Serving

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SETTINGS = {"NAME": "prices.example.com", "BUS_PASSWORD": "secret", "DATABASE_PASSWORD": "other", "GRAFANA_PASSWORD": "third"}
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CHART = DEPLOY / "helm" / "pricewire"
HELM = shutil.which("helm")
needs_helm = pytest.mark.skipif(HELM is None, reason="there is no helm")


def filled(value: Any) -> Any:
    """Return a value of the compose file with the settings in it, as Compose puts them in."""
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    if not isinstance(value, str):
        return value
    return re.sub(r"\$\{(\w+)(?::\?[^}]*)?\}", lambda match: SETTINGS[match[1]], value)


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Containerfile."""
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    return [(word, rest) for line in lines if line and not line.startswith("#") for word, _, rest in [line.partition(" ")]]


def of_stage(word: str) -> list[str]:
    """Return what an instruction says in the last stage."""
    last = max(place for place, (name, _) in enumerate(instructions()) if name == "FROM")
    return [rest for name, rest in instructions()[last:] if name == word]


def rendered() -> list[dict[str, Any]]:
    """Return what the chart makes."""
    assert HELM is not None
    done = subprocess.run([HELM, "template", "live", str(CHART)], capture_output=True, text=True, timeout=120, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def commands() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Return every command of Pricewire's in these files, by where it is, with its environment."""
    found: dict[str, tuple[list[str], dict[str, str]]] = {"Containerfile": (yaml.safe_load(of_stage("CMD")[0]), {})}
    for name, service in filled(COMPOSE["services"]).items():
        if service["image"] == "pricewire":
            found[f"compose {name}"] = (service["command"], service["environment"])
    for unit in UNITS:
        words = shlex.split(setting(unit, "ExecStart").replace("%i", "9101"))
        assert words[0] == "/opt/pricewire/bin/pricewire"
        found[unit.name] = (words[1:], {"PRICEWIRE_BUS": "nats://nats-1:4222"} if setting(unit, "EnvironmentFile") else {})
    for each in rendered() if HELM is not None else []:
        if each["kind"] in ("Deployment", "StatefulSet"):
            found[f"helm {each['metadata']['name']}"] = (container(each)["args"], {"PRICEWIRE_BUS": "nats://nats-1:4222"})
    return found


def setting(unit: Path, name: str) -> str:
    """Return a setting of a unit; empty where it has none."""
    match = re.search(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return match[1] if match is not None else ""


def container(workload: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = workload["spec"]["template"]["spec"]["containers"][0]
    return found


@dataclass
class Bus:
    """A NATS server with the password of the settings; `url` is what stands for the nodes."""

    url: str


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    port, monitor = free_ports(2)
    login = ["--user", "pricewire", "--pass", SETTINGS["BUS_PASSWORD"]]
    server = NatsServer(tmp_path_factory.mktemp("nats"), port, monitor, *login)
    server.start()
    try:
        server.wait()
        yield Bus(f"nats://pricewire:{SETTINGS['BUS_PASSWORD']}@127.0.0.1:{port}")
    finally:
        server.kill()


@pytest.mark.parametrize("where", commands())
def test_every_command_is_one_that_could_start(where: str, bus: Bus, postgres: Postgres, tmp_path: Path) -> None:
    words, environment = commands()[where]
    assert words[0] == "serve"
    # The port may be somebody else's here, and of the nodes there is one.
    options = ["0" if before == "--port" else word for before, word in itertools.pairwise(words)]
    place = {"PRICEWIRE_PORT": "0", "PRICEWIRE_DATA_DIR": str(tmp_path / "data")}
    if "PRICEWIRE_BUS" in environment:
        place["PRICEWIRE_BUS"] = bus.url
    if "PRICEWIRE_DATABASE" in environment:
        place["PRICEWIRE_DATABASE"] = postgres.make()
    done = pricewire("check", *options, cwd=tmp_path, **{**environment, **place})
    assert done.returncode == 0, done.stdout + done.stderr
    if "PRICEWIRE_BUS" in environment:
        assert "bus\tok\tnats://127.0.0.1:" in done.stdout


def test_what_compose_names_is_there() -> None:
    services = COMPOSE["services"]
    text = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) == set(SETTINGS)
    example = dict(line.split("=") for line in (DEPLOY / "compose" / "example.env").read_text().splitlines() if not line.startswith("#"))
    assert set(example) == set(SETTINGS)
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= set(services), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], mount
    for host in re.findall(r"([a-z]+-?\d?):(?:8080|9100|4222|6222|9090)", text + (DEPLOY / "compose" / "prometheus.yml").read_text()):
        assert host in services
    build = services["gateway-1"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Containerfile"


def test_the_services_have_no_more_than_they_need() -> None:
    for name in ("server", "gateway-1", "gateway-2"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service
    assert "volumes" not in COMPOSE["services"]["gateway-1"]
    # Caddy alone is reached from outside, and reaches gateways alone.
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["caddy", "grafana"]
    assert COMPOSE["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000"]
    assert sorted(name for name, service in COMPOSE["services"].items() if "front" in service["networks"]) == [
        "caddy",
        "gateway-1",
        "gateway-2",
    ]


def test_the_configuration_of_nats(tmp_path: Path) -> None:
    path = DEPLOY / "compose" / "nats.conf"
    for password, status in (("secret", 0), (None, 1)):
        given = {**os.environ, **({"BUS_PASSWORD": password} if password else {})}
        done = subprocess.run(
            [nats_program(), "-t", "-c", str(path), "--server_name", "nats-1"], env=given, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == status, done.stderr


def test_the_configurations_of_prometheus() -> None:
    for path in (DEPLOY / "prometheus.yml", DEPLOY / "compose" / "prometheus.yml"):
        jobs = yaml.safe_load(path.read_text())["scrape_configs"]
        assert [job["job_name"] for job in jobs] == ["pricewire"]
        if (promtool := shutil.which("promtool")) is not None:
            done = subprocess.run([promtool, "check", "config", str(path)], capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
    boards = yaml.safe_load((DEPLOY / "compose" / "grafana" / "dashboards.yaml").read_text())["providers"]
    [mount] = [each for each in COMPOSE["services"]["grafana"]["volumes"] if each.startswith("./grafana:")]
    assert boards[0]["options"]["path"] == mount.split(":")[1]


def test_what_the_container_file_copies_is_there() -> None:
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
    [install] = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.search(r"'\.\[([^]]*)\]'", install)
    assert wanted is not None
    assert set(wanted[1].split(",")) <= set(extras)
    assert of_stage("USER") == ["10001"], "Kubernetes sees only by a number that it is not root"
    assert of_stage("ENTRYPOINT") == ['["pricewire"]']
    page = re.search(r"outDir: '([^']*)'", (ROOT / "web" / "page" / "vite.config.ts").read_text())
    assert page is not None
    assert (ROOT / "web" / "page" / page[1]).resolve() == ROOT / "src/pricewire/server/page"


def test_the_health_check_tells_a_server_from_none(server: Serving) -> None:
    words = yaml.safe_load(of_stage("HEALTHCHECK")[0].partition("CMD ")[2])
    assert words[0] == "python"
    for port, status in ((server.port, 0), (free_ports(1)[0], 1)):
        code = words[2].replace(":8080/", f":{port}/")
        assert code != words[2]
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/opt/pricewire/bin/pricewire", sys.executable)
        (tmp_path / unit.name.replace("@", "@9101")).write_text(text)
    made = [str(path) for path in tmp_path.iterdir()]
    done = subprocess.run(["systemd-analyze", "verify", *made], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_units_wait_longer_than_streams_take_to_end() -> None:
    for unit in UNITS:
        assert int(setting(unit, "TimeoutStopSec")) >= 30
        assert setting(unit, "DynamicUser") == "yes"
    assert setting(DEPLOY / "systemd" / "pricewire.service", "KillMode") == "mixed"


@needs_helm
def test_the_chart_is_one_that_helm_takes() -> None:
    assert HELM is not None
    done = subprocess.run([HELM, "lint", "--strict", str(CHART)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
def test_what_the_chart_makes() -> None:
    made = {(each["kind"], each["metadata"]["name"]): each for each in rendered()}
    gateway, server = made["Deployment", "live-gateway"], made["StatefulSet", "live-server"]
    for workload in (gateway, server):
        pod = workload["spec"]["template"]
        labels = pod["metadata"]["labels"]
        assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert container(workload)["securityContext"]["readOnlyRootFilesystem"] is True
        ports = {each["name"]: each["containerPort"] for each in container(workload)["ports"]}
        assert f"--admin-port={ports['metrics']}" in container(workload)["args"]
    labels = gateway["spec"]["template"]["metadata"]["labels"]
    for kind, name in (("PodDisruptionBudget", "live-gateway"), ("NetworkPolicy", "live-gateway"), ("Service", "live")):
        spec = made[kind, name]["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        assert selector.get("matchLabels", selector).items() <= labels.items(), kind
    hook = container(gateway)["lifecycle"]["preStop"]["exec"]["command"]
    subprocess.run([sys.executable, *hook[1:]], check=True, timeout=60)
    drain = next(int(each.partition("=")[2]) for each in container(gateway)["args"] if each.startswith("--drain-seconds"))
    assert gateway["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain + 5 + 10
    scaler = made["HorizontalPodAutoscaler", "live-gateway"]["spec"]
    assert scaler["metrics"][0]["pods"]["metric"]["name"] == "pricewire_streams"
    assert scaler["scaleTargetRef"]["name"] == "live-gateway"
    assert "replicas" not in gateway["spec"], "the autoscaler says how many"
