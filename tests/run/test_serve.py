"""`craton serve`: one service alone, as its environment says; it waits for migrations, and drains when it stops."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from craton.calls.codec import decode, encode
from craton.calls.link import Request
from craton.calls.links.rpc import RpcLink
from craton.run.folder import free_port
from tests.run.running import craton

SECRET = "a secret of at least thirty-two letters"


@pytest.fixture
def environ(shop: Path) -> dict[str, str]:
    """What the service `stock` is told."""
    return {
        "CRATON_TOPOLOGY": "microservices", "CRATON_SERVICE": "stock", "CRATON_SECRET": SECRET,
        "CRATON_DATABASE": f"sqlite:///{shop}/stock.db", "CRATON_LISTEN": f"tcp:127.0.0.1:{free_port()}",
    }


def link_to(environ: dict[str, str], *, needs: str = "stock") -> RpcLink:
    """A way to the service, for one that needs this module."""
    return RpcLink([environ["CRATON_LISTEN"]], secret=SECRET.encode(), service="operator", needs=frozenset({needs}))


async def test_it_waits_for_migrations_which_somebody_else_applies(environ: dict[str, str]) -> None:
    async with craton("serve", "shop", environ=environ) as service:
        await service.says(r"stock \| \S+ WARNING craton: waiting for `craton migrate`: not applied yet: stock: ")
        assert "ready" not in service.text
        async with craton("migrate", "shop", "--topology", "microservices", "--service", "stock", environ=environ) as m:
            assert await m.ended() == 0
            assert "stock: 0001 items" in m.lines
        await service.says("INFO craton: ready")
        link = link_to(environ)
        reply = await link.send(Request("stock.left", encode({"item": "apple"}), timeout=10))
        assert reply.status == "ok" and decode(int, reply.body) == 0
        await link.close()
        assert await service.end(signal.SIGTERM) == 0
        assert service.lines[-1].endswith("INFO craton: stopped")


async def test_it_lets_calls_in_progress_finish_when_it_is_asked_to_stop(shop: Path, environ: dict[str, str]) -> None:
    module = shop / "shop" / "stock" / "module.py"
    slow = '"""How many are left."""\n        import asyncio\n        await asyncio.sleep(1)'
    module.write_text(module.read_text().replace('"""How many are left."""', slow))
    async with craton("migrate", "shop", "--topology", "microservices", "--service", "stock", environ=environ) as m:
        assert await m.ended() == 0
    async with craton("serve", "shop", environ=environ) as service:
        await service.says("INFO craton: ready")
        link = link_to(environ)
        call = asyncio.create_task(link.send(Request("stock.left", encode({"item": "apple"}), timeout=20)))
        await asyncio.sleep(0.3)
        assert await service.end(signal.SIGTERM) == 0
        assert (await call).status == "ok"
        await link.close()


async def test_a_second_signal_stops_it_at_once(shop: Path, environ: dict[str, str]) -> None:
    async with craton("serve", "shop", environ=environ) as service:
        await service.says("waiting for `craton migrate`")
        service.process.send_signal(signal.SIGTERM)
        assert await service.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(("changes", "message"), [
    ({"CRATON_SECRET": "", "CRATON_LISTEN": "9000"}, "CRATON_SECRET is missing: set it to what all services"),
    ({"CRATON_SERVICE": "stok"}, "topology microservices has no service stok"),
    ({"CRATON_TOPOLOGY": "hybrid"}, "shop has no topology hybrid: it has monolith, microservices."),
    ({"CRATON_DATABASE": ""}, "service stock hosts modules and has no database: set CRATON_DATABASE."),
    ({"CRATON_SERVICE": "orders"}, "CRATON_PEERS does not say where to reach stock: add service=address."),
])
@pytest.mark.usefixtures("shop")
async def test_what_it_cannot_do_is_said_in_one_line(
    environ: dict[str, str], changes: dict[str, str], message: str,
) -> None:
    async with craton("serve", "shop", environ=environ | changes) as service:
        assert await service.ended() == 2
    assert len(service.lines) == 1 and service.text.startswith("craton: ") and message in service.text
