"""What there is to run and to understand of a side is counted: as declared, as told to programs, and as seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from craton.lab.compare.complexity import complexity
from craton.lab.compare.results import Blow, Isolation
from craton.lab.compare.stand_beside import beside_stand
from craton.lab.compare.stand_craton import lines_about
from tests.lab.compare.sides import SHOP, ask, new_shop, shop_stand

BESIDE = """
name = "By hand"
url = "http://127.0.0.1:{port.front}"
# a remark is no line

[[programs]]
name = "stock"
command = "{python} {here}/part.py {port.stock}"
settings = { DATABASE = "{database.stock}" }

[[programs]]
name = "front"
command = "{python} {here}/part.py {port.front} {port.stock}"
"""
PART = '''
import http.client, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, *others = map(int, sys.argv[1:])
kept = [http.client.HTTPConnection("127.0.0.1", other) for other in others]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        for connection in kept:
            connection.request("GET", "/")
            connection.getresponse().read()
        self.send_response(200)
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"1")
    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A new application, in the current folder."""
    with new_shop(tmp_path, monkeypatch) as folder:
        yield folder


async def test_microservices_are_more_of_everything_than_a_monolith() -> None:
    async with shop_stand(SHOP, "monolith") as one, shop_stand(SHOP, "microservices") as other:
        for stand in (one, other):
            await ask(f"{stand.url}/orders", {"item": "apple", "quantity": 1}, key="one")
        alone, split = await complexity(one), await complexity(other)
    assert (alone.services, alone.processes, alone.databases, alone.links) == (1, 2, 1, 0)
    assert (split.services, split.processes, split.databases, split.links) == (2, 3, 2, 1)
    assert split.settings > alone.settings > 3
    assert split.lines > 0 and alone.lines > 0
    assert split.generated > alone.generated > 0
    assert alone.connections > 0 and split.connections > 1
    assert alone.failures == (
        "shop is down: everything fails", "gateway is down: nobody reaches anything",
        "postgresql is down: everything fails that needs data",
    )
    assert {
        "stock is down: what is asked of it by orders fails", "orders is down: what it does itself is not done",
        "2 databases agree only later, and are restored to different moments",
    } <= set(split.failures)


async def test_what_fails_with_a_service_is_told_as_it_was_measured() -> None:
    survived = {"stock": {"all": 0.2, "look": 0.1, "buy": 0.3}, "orders": {"all": 0.5, "look": 1.0, "buy": 0.0}}
    blows = [Blow(service=n, modules=(n,), kind="killed", survived=s, healthy_after=1.0) for n, s in survived.items()]
    isolation = Isolation(rate=10, seconds=1, blows=(*blows, slowed(blows[0])))
    async with shop_stand(replace(SHOP, gateway="craton"), "microservices") as stand:
        found = await complexity(stand, isolation=isolation)
    assert found.failures[:2] == ("stock is down: everything fails", "orders is down: buy fails")


def slowed(blow: Blow) -> Blow:
    """A blow of another kind, which nothing survives."""
    return Blow(service=blow.service, modules=blow.modules, kind="slowed", survived={"all": 0.0}, healthy_after=None)


async def test_of_a_program_beside_links_are_those_that_are_open(tmp_path: Path) -> None:
    write(tmp_path / "part.py", PART)
    write(tmp_path / "beside.toml", BESIDE)
    async with beside_stand(SHOP, tmp_path / "beside.toml") as stand:
        assert await ask(stand.url) == 1
        found = await complexity(stand)
    assert (found.services, found.processes, found.databases, found.links) == (2, 2, 1, 1)
    assert found.settings == 1 + 3  # a variable, and three ports in commands
    assert (found.lines, found.generated) == (9, 0)
    assert "stock is down: what is asked of it by front fails" in found.failures


def write(file: Path, text: str) -> None:
    """Put a text into a file."""
    file.write_text(text)


def test_lines_of_a_topology_are_its_own_without_comments(tmp_path: Path) -> None:
    file = tmp_path / "topology.toml"
    file.write_text(
        "# all\n[one.services]\nshop = ['*']  # alone\n\n[one.links]\n'a -> b' = 'rest'\n[oneself]\neach = '*'\n# end\n"
    )
    assert lines_about("one", file) == 4
    assert lines_about("oneself", file) == 2
    assert lines_about("unwritten", file) == 0
    assert lines_about("one", tmp_path / "nothing.toml") == 0
