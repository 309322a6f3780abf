"""Event-sourced state in real processes that are killed: each command's events once, and in every read model."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from craton import CallError, KeyReused, NotRun
from craton.testing.processes import Processes, start_processes
from craton.testing.start import calling
from tests.messages.accounts import Bank
from tests.run.running import craton

ACCOUNTS = ("a", "b", "c")


async def insist(bank: Bank, account: str, key: str) -> None:
    """Pay once, however often that must be asked for."""
    while True:
        try:
            with calling(key=key, timeout=5):
                await bank.pay(account, 1)
            return
        except KeyReused:
            raise
        except CallError:
            await asyncio.sleep(0.02)


async def pay_until(done: asyncio.Event, bank: Bank, account: str) -> int:
    """How often something was paid."""
    for number in count(1):
        await insist(bank, account, f"{account}-{number}")
        if done.is_set():
            return number
    raise AssertionError


async def caught_up(running: Processes) -> None:
    """Wait until no read model is behind, and all have been built."""
    async with asyncio.timeout(20):
        while any(line.behind or line.rebuilding for line in await running.operator.projections()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("topology", ["alone", "replicated"])
async def test_whatever_is_killed_each_payment_is_made_once_and_all_read_models_have_it(
    topology: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database = None
    if topology == "replicated":
        database = f"{request.getfixturevalue('postgresql')}/killed_{secrets.token_hex(4)}"
    async with start_processes(
        "tests.messages.branch", topology=topology, database=database, data=tmp_path
    ) as running:
        bank, done = running.get(Bank), asyncio.Event()
        for account in ACCOUNTS:
            with calling(key=f"open {account}"):
                await bank.open(account, 0)
        paying = [asyncio.create_task(pay_until(done, bank, account)) for account in ACCOUNTS]
        for name in [name for name in running.children if name.startswith("bank")] * 2:
            await asyncio.sleep(1)
            with suppress(NotRun):
                await running.operator.rebuild("bank.list")
            running.kill(name)
        done.set()
        paid = await asyncio.gather(*paying)
        await caught_up(running)
        wanted = tuple(zip(ACCOUNTS, paid, strict=True))
        assert await bank.listed() == await bank.soon() == wanted
        assert [await bank.balance(account) for account in ACCOUNTS] == [(n, n + 1) for n in paid]


@pytest.mark.timeout(120)
async def test_the_command_lists_read_models_and_rebuilds_one(tmp_path: Path) -> None:
    where = ["tests.messages.branch", "--data", str(tmp_path)]
    async with craton("run", *where, "--topology", "alone", "--port", "0") as running:
        await running.says(r"ready at \S+")
        assert [line["id"] for line in await listed(*where)] == ["bank.list", "bank.later"]
        async with craton("projections", "rebuild", *where, "bank.list") as command:
            assert (await command.ended(), command.text) == (0, "done")
        async with craton("projections", "rebuild", *where, "bank.none") as command:
            assert await command.ended() == 1 and "there is none that has tables beside its own" in command.text


async def listed(*where: str) -> list[dict[str, object]]:
    async with craton("projections", "list", *where, "--json") as command:
        assert await command.ended() == 0, command.text
        return list(json.loads(command.text))
