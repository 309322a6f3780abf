"""Services on several machines: `craton certs` makes what CRATON_TLS names, and nothing is said in the open."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from craton.calls.codec import encode
from craton.calls.link import Request
from craton.calls.links.rpc import RpcLink
from craton.calls.links.rpc.tls import Files, Tls
from craton.run.certs import certs
from craton.run.databases import migrate_all
from craton.run.folder import free_port
from craton.run.loading import load_application
from tests.run.running import craton

SECRET = "a secret of at least thirty-two letters"


@pytest.fixture
def environ(shop: Path) -> dict[str, str]:
    """What both services are told."""
    return {
        "CRATON_TOPOLOGY": "microservices", "CRATON_SECRET": SECRET, "CRATON_TLS": str(shop / "tls"),
        "CRATON_PEERS": f"stock=tcp:127.0.0.1:{free_port()};orders=tcp:127.0.0.1:{free_port()}",
    }


def own(environ: dict[str, str], service: str) -> dict[str, str]:
    """What one of them is told."""
    peers = dict(pair.split("=") for pair in environ["CRATON_PEERS"].split(";"))
    database = f"sqlite:///{environ['CRATON_TLS']}/../{service}.db"
    return environ | {"CRATON_SERVICE": service, "CRATON_DATABASE": database, "CRATON_LISTEN": peers[service]}


async def test_services_with_certificates_call_each_other_over_tcp(shop: Path, environ: dict[str, str]) -> None:
    certs(shop / "tls", ["stock", "orders", "operator"])
    application, topology = load_application("shop", "microservices")
    databases = {name: own(environ, name)["CRATON_DATABASE"] for name in ("stock", "orders")}
    await migrate_all(application, topology, databases)
    async with (
        craton("serve", "shop", environ=own(environ, "stock")) as stock,
        craton("serve", "shop", environ=own(environ, "orders")) as orders,
    ):
        await asyncio.gather(stock.says("INFO craton: ready"), orders.says("INFO craton: ready"))
        link = RpcLink(
            [own(environ, "orders")["CRATON_LISTEN"]], secret=SECRET.encode(), service="operator", peer="orders",
            tls=Tls(Files.of(environ["CRATON_TLS"], "operator")), needs=frozenset({"orders"}),
        )
        order = encode({"item": "apple", "quantity": 1})
        placed = await link.send(Request("orders.place", order, key="1", timeout=20))
        assert (placed.status, placed.type) == ("fault", "OutOfStock")  # the stock was asked
        await link.close()
        async with craton("lag", "shop", environ=environ) as lag:
            assert await lag.ended() == 0, lag.text


async def test_certificates_that_are_not_there_are_told_in_one_line(environ: dict[str, str]) -> None:
    async with craton("serve", "shop", environ=own(environ, "stock") | {"CRATON_TLS": "nowhere"}) as service:
        assert await service.ended() == 2
    assert len(service.lines) == 1
    assert service.text.startswith("craton: CRATON_TLS: there is no file nowhere/stock.crt: write the folder")


async def test_certificates_are_made_by_a_command(shop: Path) -> None:
    async with craton("certs", "tls", "--services", "stock", "--hosts", "stock.example", environ={}) as made:
        assert await made.ended() == 0
        assert made.lines == ["made ca.crt, valid for 3650 days", "made stock.crt, valid for 90 days"]
    assert stat.S_IMODE((shop / "tls" / "stock.key").stat().st_mode) == 0o600
