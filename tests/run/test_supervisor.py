"""`craton run`: the same application in every topology, in real processes, from the first line to the last."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.run.running import Command, craton
from tests.until import until

COMPANION = """
[companions.files]
command = "{python} -m http.server {port} --bind 127.0.0.1 --directory {data}"
settings = { FILES_URL = "http://127.0.0.1:{port}" }

[setup]
command = "{python} -c 'import os, sys; print(\\"set up\\", sys.argv[1], os.environ[\\"FILES_URL\\"])' {url}"
hint = "look at {url}/stock/apple"
"""


async def ask(url: str, body: dict[str, Any] | None = None, *, key: str = "") -> Any:
    """What a request answers: the JSON, or the status where it is an error."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    request.add_header("Idempotency-Key", key)

    def send() -> Any:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)
        except HTTPError as error:
            error.close()
            return error.code

    return await asyncio.to_thread(send)


async def sells(url: str, *, round: int = 1) -> None:
    """Put ten apples into the shop, and buy three."""
    before = await ask(f"{url}/stock/apple")
    assert await ask(f"{url}/stock/apple", {"quantity": 10}, key=f"in-{round}") == before + 10
    bought = await ask(f"{url}/orders", {"item": "apple", "quantity": 3}, key=f"out-{round}")
    assert bought["state"] == "confirmed"
    assert await ask(f"{url}/orders", {"item": "apple", "quantity": 3}, key=f"out-{round}") == bought
    assert await ask(f"{url}/orders", {"item": "apple", "quantity": 1000}, key=f"more-{round}") == 409
    assert await ask(f"{url}/stock/apple") == before + 7


async def ready(command: Command) -> str:
    """The URL, once it is ready."""
    return (await command.says(r"is ready at (http://[\d.:]+)"))[1]


def children_of(pid: int) -> dict[str, int]:
    """The processes that a supervisor started, by the service they serve."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            arguments = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            found[arguments[arguments.index("--service") + 1] if "--service" in arguments else "companion"] = child
    return found


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_monolith_is_one_process_that_sells_and_its_data_stays(shop: Path) -> None:
    for round in (1, 2):
        async with craton("run", "shop", "--port", "0") as command:
            url = await ready(command)
            assert children_of(command.process.pid).keys() == {"shop"}
            await sells(url, round=round)
            assert (await ask(f"{url}/openapi.json"))["openapi"].startswith("3.1")
            assert await command.end() == 0
    assert (shop / ".craton" / "shop" / "shop.db").exists()
    async with craton("run", "shop", "--port", "0", "--topology", "microservices") as command:
        assert await command.ended() == 2
    assert command.text.startswith("craton: the data in")
    assert "is of topology monolith, not microservices" in command.text


@pytest.mark.timeout(240)
async def test_microservices_sell_survive_a_kill_and_stop_gateway_first(shop: Path) -> None:
    async with craton("run", "shop", "--port", "0", "--topology", "microservices") as command:
        url = await ready(command)
        pids = children_of(command.process.pid)
        assert pids.keys() == {"stock", "orders", "gateway"}
        await sells(url)
        os.kill(pids["stock"], signal.SIGKILL)
        await command.says(r"craton +\| stock was killed by SIGKILL; starting it again in 0.1 s")
        await command.says(r"stock +\| .* ready", times=2)
        await until(lambda: children_of(command.process.pid).keys() == pids.keys(), seconds=20)
        await asyncio.sleep(1)  # links set a lost replica aside for a moment
        await sells(url, round=2)
        assert await command.end() == 0
    stopped = [line.partition(" ")[0] for line in command.lines if line.endswith(" stopped")]
    assert stopped[0] == "gateway" and stopped[-1] == "craton"
    assert sorted(stopped[1:3]) == ["orders", "stock"] and len(stopped) == 4
    assert not any(alive(pid) for pid in pids.values())
    assert {path.name for path in (shop / ".craton" / "shop").glob("*.db")} == {"stock.db", "orders.db"}


async def test_services_that_ask_each_other_by_rest_sell(shop: Path) -> None:
    (shop / "shop" / "topology.toml").write_text('[linked]\neach = "*"\n[linked.links]\n"* -> *" = "rest"\n')
    async with craton("run", "shop", "--port", "0", "--topology", "linked") as command:
        await sells(await ready(command))
        assert await command.end() == 0


async def test_nothing_is_left_behind_when_the_supervisor_is_killed(shop: Path) -> None:
    async with craton("run", "shop", "--port", "0", "--topology", "microservices") as command:
        await ready(command)
        pids = children_of(command.process.pid)
        assert len(pids) == 3
        await command.end(signal.SIGKILL)
    await until(lambda: not any(alive(pid) for pid in pids.values()))


async def test_companions_set_up_and_hint_are_part_of_a_run(shop: Path) -> None:
    (shop / "shop" / "topology.toml").write_text(COMPANION)
    async with craton("run", "shop", "--port", "0", "--data", "here") as command:
        url = await ready(command)
        told = await command.says(r"setup +\| set up (\S+) http://127.0.0.1:(\d+)")
        await command.says(rf"(?m)^look at {url}/stock/apple$")
        assert told[1] == url and json.loads((shop / "here" / "ports.json").read_text()) == {"files": int(told[2])}
        assert children_of(command.process.pid).keys() == {"companion", "shop"}
        (shop / "here" / "files" / "page").write_text('"served"')
        assert await ask(f"http://127.0.0.1:{told[2]}/page") == "served"
        assert await command.end(signal.SIGTERM) == 0


async def test_a_set_up_that_fails_is_said_and_stops_nothing(shop: Path) -> None:
    (shop / "shop" / "topology.toml").write_text("[setup]\ncommand = \"{python} -c 'raise SystemExit(3)'\"")
    async with craton("run", "shop", "--port", "0") as command:
        await sells(await ready(command))
        await command.says("craton +| setup stopped with exit code 3: ")


async def test_a_port_in_use_is_said_in_one_line(shop: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with craton("run", "shop", "--port", str(port)) as command:
            assert await command.ended() == 2
    assert command.lines == [f"craton: port {port} is in use: stop what uses it, or give another one by --port."]


async def test_what_cannot_run_is_said_with_the_services_own_words(shop: Path) -> None:
    module = shop / "shop" / "stock" / "module.py"
    broken = 'self.db = db\n        raise RuntimeError("no shelf")'
    module.write_text(module.read_text().replace("self.db = db", broken))
    async with craton("run", "shop", "--port", "0") as command:
        assert await command.ended() == 1
    assert "RuntimeError: no shelf" in command.text
    assert command.lines[-1].startswith("craton: shop stopped with exit code 1 3 times before it was ready")


@pytest.mark.timeout(240)
async def test_on_postgresql_a_service_may_have_replicas_and_one_may_die(shop: Path, postgresql: str) -> None:
    (shop / "shop" / "topology.toml").write_text(
        '[many.services]\nstock = { modules = ["stock"], replicas = 2 }\norders = ["orders"]\n'
    )
    arguments = ("run", "shop", "--port", "0", "--topology", "many")
    async with craton(*arguments) as command:
        assert await command.ended() == 2
    assert "service stock has 2 replicas, but SQLite serves one process per file" in command.text
    async with craton(*arguments, "--database", f"{postgresql}/shop") as command:
        url = await ready(command)
        await sells(url)
        os.kill(children_of(command.process.pid)["stock"], signal.SIGKILL)
        await sells(url, round=2)
        await command.says(r"craton +\| stock\.\d was killed by SIGKILL")
        assert await command.end() == 0
