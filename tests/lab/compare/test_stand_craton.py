"""A topology comes up as a side with all that it needs, says what it consists of, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext, create_default_context
from urllib.request import urlopen

import psutil
import pytest

from craton.errors import CratonError
from craton.lab.compare.meter import Meter
from craton.lab.compare.stand import PartNow, Setup, Stand
from craton.run.certs import certs
from tests.lab.compare.sides import SHOP, ask, new_shop, shop_stand
from tests.until import until


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new application, in the current folder."""
    with new_shop(tmp_path, monkeypatch) as folder:
        yield folder


def kinds(stand: Stand) -> dict[str, str]:
    """The parts of a side, and their kinds."""
    return {part.name: part.kind for part in stand.parts()}


def pids(parts: Sequence[PartNow]) -> set[int]:
    """All processes of these parts."""
    return {pid for part in parts for pid in part.pids}


async def sells(stand: Stand) -> None:
    """Put apples into the shop, and buy some."""
    assert await ask(f"{stand.url}/stock/apple", {"quantity": 10}, key="in") == 10
    assert (await ask(f"{stand.url}/orders", {"item": "apple", "quantity": 3}, key="out"))["state"] == "confirmed"
    assert await ask(f"{stand.url}/stock/apple") == 7


@pytest.mark.parametrize("gateway", ["envoy", "craton"])
async def test_microservices_come_up_and_go_without_a_trace(gateway: str) -> None:
    async with shop_stand(replace(SHOP, gateway=gateway), "microservices") as stand:
        assert stand.settled()
        await sells(stand)
        assert kinds(stand) == {
            "stock": "service", "orders": "service", "gateway": "gateway", "postgresql": "database",
        }
        door = "Envoy" if gateway == "envoy" else "a gateway of Craton's own"
        assert (stand.name, stand.what, stand.ours) == ("microservices", f"2 services, 2 databases, {door}", True)
        assert stand.services == {"stock": ("stock",), "orders": ("orders",)}
        assert 0 < stand.started < 60
        found = await stand.connections()
        assert found["stock"] > 0 and found["orders"] > 0 and found["gateway"] == 0
        running = stand.parts()
    assert not [pid for pid in pids(running) if psutil.pid_exists(pid)]
    assert not stand.settled()


@pytest.mark.parametrize(("gateway", "what"), [
    ("envoy", "1 process, 1 database, Envoy"), ("craton", "1 process, 1 database"),
])
async def test_a_monolith_is_one_process_and_behind_envoy_two(gateway: str, what: str) -> None:
    async with shop_stand(replace(SHOP, gateway=gateway), "monolith") as stand:
        await sells(stand)
        own = {"shop": "service", "postgresql": "database"}
        assert kinds(stand) == (own | {"gateway": "gateway"} if gateway == "envoy" else own)
        assert stand.what == what
        assert stand.services == {"shop": ("stock", "orders")}


@pytest.mark.parametrize("gateway", ["envoy", "craton"])
async def test_replicas_share_the_work(gateway: str) -> None:
    setup = replace(SHOP, gateway=gateway, replicas={"stock": 2})
    async with shop_stand(setup, "microservices") as stand:
        assert stand.what.startswith("2 services, 3 processes")
        assert len(next(part.pids for part in stand.parts() if part.name == "stock")) == 2
        await sells(stand)
    async with shop_stand(replace(SHOP, gateway=gateway, replicas={"*": 2}), "monolith") as stand:
        assert stand.what.startswith("2 processes, 1 database")
        await sells(stand)


async def test_no_request_is_refused_for_there_being_too_many() -> None:
    async with shop_stand(replace(SHOP, gateway="craton"), "monolith") as stand:
        answers = {await ask(f"{stand.url}/stock/apple") for _ in range(600)}
        assert answers == {0}


async def test_settings_reach_the_processes() -> None:
    setup = Setup(package="shop", gateway="craton", settings={"CRATON_EDGE_DOCS": "false"})
    async with shop_stand(setup, "monolith") as stand:
        assert await ask(f"{stand.url}/docs") == 404


async def test_all_its_processes_keep_to_the_processors_they_are_confined_to() -> None:
    cores = sorted(os.sched_getaffinity(0))
    async with shop_stand(SHOP, "microservices") as stand:
        stand.confine(cores[:1])
        assert threads_of(stand) == set(cores[:1])
        async with stand.trouble("stock", "killed"):
            await until(lambda: not stand.settled())
        await until(stand.settled, seconds=30)
        assert threads_of(stand) == set(cores[:1])
        stand.confine(cores)
        assert threads_of(stand) == set(cores)


def threads_of(stand: Stand) -> set[int]:
    """The processors that any thread of a side may use."""
    threads = (int(t.name) for pid in pids(stand.parts()) for t in Path(f"/proc/{pid}/task").iterdir())
    return {core for thread in threads for core in os.sched_getaffinity(thread)}


async def test_the_processor_time_of_services_gateway_and_database_is_found() -> None:
    async with shop_stand(SHOP, "microservices") as stand, Meter(stand) as meter:
        for number in range(200):
            await ask(f"{stand.url}/orders", {"item": "apple", "quantity": 1}, key=str(number))
    used = {part.name: part.seconds for part in meter.used}
    assert all(used[name] > 0.01 for name in ("orders", "stock", "gateway", "postgresql")), used


@pytest.mark.chaos
async def test_several_use_one_server_without_meeting(postgresql: str) -> None:
    setup = replace(SHOP, gateway="craton", database=f"{postgresql}/comparison")
    async with shop_stand(setup, "monolith") as one, shop_stand(setup, "microservices") as other:
        await sells(one)
        await sells(other)
        assert kinds(one)["postgresql"] == "database"


async def test_why_it_does_not_come_up_is_told(shop: Path) -> None:
    broken = shop / "shop" / "stock" / "module.py"
    broken.write_text(broken.read_text() + "\nraise ValueError('no stock today')\n")
    with pytest.raises((CratonError, ValueError), match="no stock today"):
        async with shop_stand(SHOP, "monolith"):
            pass


async def test_a_setup_that_fails_is_told(shop: Path) -> None:
    topology = shop / "shop" / "topology.toml"
    topology.write_text("""
[setup]
command = "{python} -c 'raise SystemExit(\\"no products\\")'"
""")
    with pytest.raises(CratonError, match="exit code 1:\nsetup: no products"):
        async with shop_stand(SHOP, "monolith"):
            pass


async def test_what_happens_inside_is_recorded_where_it_is_wanted(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    async with shop_stand(replace(SHOP, gateway="craton", record=str(record)), "microservices") as stand:
        await sells(stand)
    assert "orders.place" in content(record) and "stock.take" in content(record)


def content(file: Path) -> str:
    """The text in a file."""
    return file.read_text()


@pytest.mark.parametrize("gateway", ["envoy", "craton"])
async def test_it_speaks_tls_where_there_are_certificates(tmp_path: Path, gateway: str) -> None:
    certs(tmp_path / "tls", ["stock", "orders", "gateway"], hosts=["localhost", "127.0.0.1"])
    setup = replace(SHOP, gateway=gateway, tls=str(tmp_path / "tls"))
    async with shop_stand(setup, "microservices") as stand:
        assert stand.url.startswith("https://")
        trusting = create_default_context(cafile=str(tmp_path / "tls" / "ca.crt"))
        assert await asyncio.to_thread(status, f"{stand.url}/stock/apple", trusting) == 200


def status(url: str, trusting: SSLContext) -> int:
    """What a GET over TLS is answered with."""
    with urlopen(url, timeout=30, context=trusting) as response:
        found: int = response.status
    return found
