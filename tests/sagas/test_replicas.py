"""Two replicas share the sagas of their service: what one of them holds too long, the other takes over."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from craton import CallError
from craton.run.template import write
from craton.testing.processes import start_processes
from craton.testing.start import Running, calling

TOPOLOGY = '[many.services]\nstock = ["stock"]\norders = { modules = ["orders"], replicas = 2 }\n'
ORDERS = 12


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The application that `craton new` writes, where orders have two replicas."""
    write("shelves", tmp_path)
    (tmp_path / "shelves" / "shelves" / "topology.toml").write_text(TOPOLOGY)
    monkeypatch.chdir(tmp_path / "shelves")
    monkeypatch.syspath_prepend(tmp_path / "shelves")
    yield "shelves"
    for name in [name for name in sys.modules if name.partition(".")[0] == "shelves"]:
        del sys.modules[name]


async def insist(running: Running, contract: Any, number: int) -> Any:
    """An order, asked for under its key until there is an answer."""
    while True:
        try:
            with calling(key=f"order-{number}", timeout=5):
                return await running.get(contract).place("apple", 1)
        except CallError:
            await asyncio.sleep(0.2)


@pytest.mark.timeout(240)
async def test_what_a_replica_holds_past_its_lease_is_taken_over_and_done_once(package: str, postgresql: str) -> None:
    said: list[tuple[str, str]] = []
    async with start_processes(
        package, topology="many", database=f"{postgresql}/shelves", data=None, say=lambda *line: said.append(line)
    ) as running:
        stock = running.get(import_module(f"{package}.stock.contract").Stock)
        contract = import_module(f"{package}.orders.contract").Orders
        await stock.receive("apple", ORDERS)
        running.kill("stock", with_signal=signal.SIGSTOP)  # so that sagas have begun, and none can end
        placing = [asyncio.create_task(insist(running, contract, number)) for number in range(ORDERS)]
        await asyncio.sleep(2)
        running.kill("orders.1", with_signal=signal.SIGSTOP)
        running.kill("stock", with_signal=signal.SIGCONT)
        placed = await asyncio.gather(*placing)
        running.kill("orders.1", with_signal=signal.SIGCONT)  # it wakes up, and has lost what it holds
        await asyncio.sleep(2)
        assert {order.state for order in placed} == {"confirmed"}
        assert sorted(await running.get(contract).orders(), key=id_of) == sorted(placed, key=id_of)
        assert await stock.left("apple") == 0
    assert [line for name, line in said if name == "orders.2" and "picked up" in line], said


def id_of(order: Any) -> str:
    """What tells orders apart."""
    return str(order.id)
