"""Sides that are not measured rest: they cost nothing meanwhile, and go on as if nothing had been."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from craton.lab.compare.meter import Meter
from craton.lab.compare.resting import alone
from craton.lab.compare.stand import Stand
from craton.lab.compare.stand_craton import craton_stand
from tests.lab.compare.sides import SHOP, ask, new_shop, remove_server
from tests.until import until

PLAIN = replace(SHOP, gateway="craton")
HOLDER = """
import asyncio
from craton.lab.compare.resting import alone
from craton.lab.compare.stand import Setup
from craton.lab.compare.stand_craton import craton_stand

async def hold():
    setup = Setup(package="shop", gateway="craton")
    async with craton_stand(setup, "monolith") as one, craton_stand(setup, "microservices") as other:
        async with alone(one, [one, other]):
            print(*(pid for stand in (one, other) for part in stand.parts() for pid in part.pids), flush=True)
            await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new application, in the current folder."""
    with new_shop(tmp_path, monkeypatch) as folder:
        yield folder


async def order(stand: Stand, key: str) -> str:
    """What becomes of an order for an apple."""
    answer = await ask(f"{stand.url}/orders", {"item": "apple", "quantity": 1}, key=key)
    return str(answer["state"] if isinstance(answer, dict) else answer)


async def test_who_rests_uses_no_processor_and_goes_on_afterwards() -> None:
    async with craton_stand(PLAIN, "monolith") as one, craton_stand(PLAIN, "microservices") as other:
        for stand in (one, other):
            assert await ask(f"{stand.url}/stock/apple", {"quantity": 100}, key="in") == 100
        waiting = [asyncio.create_task(order(other, f"under-way-{n}")) for n in range(5)]
        async with alone(one, [one, other]), Meter(other) as meter:
            assert await order(one, "first") == "confirmed"
            await asyncio.sleep(1.5)
        own = {used.name: used.seconds for used in meter.used if used.kind != "database"}
        assert own == {"stock": 0, "orders": 0, "gateway": 0}
        assert await order(other, "after") == "confirmed"
        assert await asyncio.gather(*waiting) == ["confirmed"] * 5
        assert await ask(f"{other.url}/stock/apple") == 94


async def test_nothing_stays_stopped_when_the_comparison_is_killed(shop: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, stdout=asyncio.subprocess.PIPE, cwd=shop,
    )
    assert holder.stdout
    pids = [int(pid) for pid in (await holder.stdout.readline()).split()]
    try:
        assert len(pids) > 6
        for pid in pids:
            if "-D" in psutil.Process(pid).cmdline():
                remove_server(pid)
    finally:
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
    await until(lambda: not any(map(runs, pids)), seconds=20)


def runs(pid: int) -> bool:
    """Whether there still is such a process that has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
