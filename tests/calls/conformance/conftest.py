"""The office over each kind of link: opened once for each, for all tests."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from craton.calls.link import Link
from craton.data.migrations import migrate
from craton.testing.start import Running
from craton.topology import Topology
from tests.calls.conformance.desk import SPLIT, Counter, office


def split_by(kind: str) -> Topology:
    """The office in two services, asked by one kind of link."""
    return replace(SPLIT, links={"* -> *": kind})


def nobody(service: str, kind: str) -> Link:
    """The way to others of a service that asks nobody."""
    raise AssertionError(f"it asked {service} by {kind}")


LINKS = ("wire", "rpc", "rest", "grpc")
SOCKETS = LINKS[1:]


@asynccontextmanager
async def opened(link: str) -> AsyncIterator[Running]:
    """The office, each service at a socket of its own; over the wire link, without any."""
    with tempfile.TemporaryDirectory(prefix="craton-") as folder:
        databases = {name: f"sqlite:///{folder}/{name}.db" for name in ("desk", "clerk")}
        for name, url in databases.items():
            await migrate(url, [office.module(name)])
        running = Running(office, SPLIT, link="local" if link == "wire" else link, databases=databases, environ={})
        running.sockets = Path(folder)
        async with running.opened():
            yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=LINKS)
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """The office over one kind of link."""
    async with opened(request.param) as made:
        yield made


@pytest.fixture
def counter(running: Running) -> Counter:
    """What stands behind the desk."""
    found: Any = running.processes["desk"].hosted["desk"].instance
    assert isinstance(found, Counter)
    return found
