"""Each side has a PostgreSQL server of its own, that is durable, and gone when it is not needed any more."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from craton.errors import SettingsError
from craton.lab.compare import servers
from craton.lab.compare.servers import Server, server_of
from tests.lab.compare.sides import remove_server
from tests.until import until

HOLDER = """
import asyncio
from craton.lab.compare.servers import server_of

async def hold():
    async with server_of("held") as server:
        print(server.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(hold())
"""


async def names(server: Server) -> list[str]:
    """The databases and roles that are no server's own."""
    query = "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg_%'"
    return sorted(name for (name,) in await server.ask(query))


def is_there(path: str) -> bool:
    """Whether a file or folder is there."""
    return Path(path).exists()


async def test_it_is_durable_private_and_leaves_nothing() -> None:
    async with server_of("side") as server:
        assert "fsync=on, synchronous_commit=on, full_page_writes=on" in server.about
        assert server.pid and psutil.Process(server.pid).name().startswith("postgres")
        ((place,),) = await server.ask("SHOW data_directory")
        assert os.stat(place).st_mode & 0o077 == 0
        assert (await server.make("side_books")).endswith(f":{server.place[1]}/side_books")
        assert "side_books" in await names(server)
    assert not psutil.pid_exists(server.pid)
    assert not is_there(place)


async def test_it_dies_with_the_program_that_started_it() -> None:
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLDER, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout
    pid = int(await holder.stdout.readline())
    try:
        remove_server(pid)
    finally:
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


async def test_a_server_that_is_there_is_used_and_cleared_of_this_side_alone(postgresql: str) -> None:
    async with server_of("mine", database=f"{postgresql}/trial") as server:
        assert server.base == "trial_mine"
        assert server.pid and psutil.Process(server.pid).name().startswith("postgres")
        for database in ("trial_mine", "trial_mine_books", "trial_mineral"):
            await server.make(database)
        await server.ask("CREATE ROLE trial_mine_reader")
    left = [name for name in await names(server) if name.startswith("trial_")]
    await server.ask("DROP DATABASE trial_mineral")
    assert left == ["trial_mineral"]


def test_who_has_no_postgresql_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(servers, "FOLDERS", ())
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    with pytest.raises(SettingsError, match=r"install it .*--database postgresql://"):
        servers.found_programs()
