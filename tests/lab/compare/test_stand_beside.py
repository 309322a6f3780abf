"""A program beside, told of by a TOML file, comes up as a side like the application's own topologies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from craton.errors import CratonError, DeclarationError, SettingsError
from craton.lab.compare import standing
from craton.lab.compare.meter import Meter
from craton.lab.compare.stand_beside import beside_stand
from tests.lab.compare.sides import SHOP, ask, new_shop
from tests.until import until

FILE = """
name = "By hand"
what = "2 programs, Envoy in front"
url = "http://127.0.0.1:{port.door}"
health = "/healthz"
prepare = "{python} {here}/shelf.py prepare {database.stock}"
setup = "{python} {here}/shelf.py setup {url}"
settings = { OUTSIDE = "{companion.bank}" }

[[programs]]
name = "stock"
command = "{python} {here}/shelf.py serve {port.stock}"
settings = { DATABASE = "{database.stock}" }
health = "/healthz"

[[programs]]
name = "front"
command = "{python} {here}/shelf.py front {port.front} {port.stock}"

[[programs]]
name = "door"
kind = "gateway"
command = "{envoy} --config-path {file.envoy} --concurrency 1 --log-level error"

[files]
envoy = "envoy.json"
"""
ENVOY = """{"static_resources": {
  "listeners": [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": {port.door}}},
    "filter_chains": [{"filters": [{"name": "http", "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      "stat_prefix": "http", "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "front"}}]}]},
      "http_filters": [{"name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}],
  "clusters": [{"name": "front", "type": "STATIC", "load_assignment": {"cluster_name": "front", "endpoints": [
    {"lb_endpoints": [{"endpoint": {"address": {"socket_address":
      {"address": "127.0.0.1", "port_value": {port.front}}}}}]}]}}]}}
"""
SHELF = '''
import asyncio, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen
import asyncpg

what, *rest = sys.argv[1:]

def ask(url, query):
    async def asked():
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()
    return asyncio.run(asked())

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            body = "{}"
        elif what == "front":
            body = urlopen(f"http://127.0.0.1:{rest[1]}" + self.path).read().decode()
        elif self.path == "/outside":
            body = f'"{os.environ["OUTSIDE"]}"'
        else:
            body = str(ask(os.environ["DATABASE"], "UPDATE shelf SET items = items + 1 RETURNING items"))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *args):
        pass

if what == "prepare":
    ask(rest[0], "CREATE TABLE shelf (items int)")
    ask(rest[0], "INSERT INTO shelf VALUES (41)")
elif what == "setup":
    urlopen(rest[0] + "/items").read()
else:
    ThreadingHTTPServer(("127.0.0.1", int(rest[0])), Handler).serve_forever()
'''
DEAF = """[[programs]]
name = "deaf"
command = "{python} {here}/deaf.py"
troubles = true

[files]"""
BANK = """
[companions.bank]
command = "{python} -m http.server {port} --bind 127.0.0.1 --directory {data}"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program beside an application."""
    with new_shop(tmp_path, monkeypatch) as folder:
        with (folder / "shop" / "topology.toml").open("a") as topology:
            topology.write(BANK)
        (tmp_path / "shelf.py").write_text(SHELF)
        (tmp_path / "envoy.json").write_text(ENVOY)
        for name in ("beside", "other"):
            (tmp_path / f"{name}.toml").write_text(FILE)
        yield tmp_path / "beside.toml"


def rewrite(file: Path, old: str, new: str) -> None:
    """Put something else into a file."""
    file.write_text(file.read_text().replace(old, new))


async def test_its_programs_stand_on_databases_of_their_own_and_behind_their_own_gateway(file: Path) -> None:
    async with beside_stand(SHOP, file) as stand:
        assert (stand.name, stand.what, stand.ours) == ("By hand", "2 programs, Envoy in front", False)
        assert stand.services == {"stock": (), "front": ()}
        assert stand.settled() and 0 < stand.started < 60
        async with Meter(stand) as meter:
            assert await ask(f"{stand.url}/items") == 43  # 41 prepared, one taken by the setup
        assert {part.name: part.kind for part in meter.used} == {
            "bank": "companion", "stock": "service", "front": "service", "door": "gateway", "postgresql": "database",
        }
        running = {pid for part in stand.parts() for pid in part.pids}
    assert not [pid for pid in running if psutil.pid_exists(pid)]


async def test_the_companion_that_it_names_runs_for_it(file: Path) -> None:
    async with beside_stand(SHOP, file) as stand:
        bank: str = await ask(f"{stand.url}/outside")
        assert await ask(f"{bank}/nothing") == 404


async def test_its_services_can_be_killed_and_come_back_but_not_slowed(file: Path) -> None:
    async with beside_stand(SHOP, file) as stand:
        async with stand.trouble("stock", "killed"):
            await until(lambda: not stand.settled())
        await until(stand.settled, seconds=30)
        assert await ask(f"{stand.url}/items") == 43
        with pytest.raises(SettingsError, match="stock of By hand cannot be slowed"):
            async with stand.trouble("stock", "slowed"):
                pass


async def test_two_stand_beside_each_other(file: Path) -> None:
    async with beside_stand(SHOP, file) as one, beside_stand(SHOP, file) as other:
        assert one.url != other.url
        assert await ask(f"{one.url}/items") == await ask(f"{other.url}/items") == 43


async def test_what_a_program_said_last_is_told_where_it_does_not_start(file: Path) -> None:
    rewrite(file, "shelf.py front", "shelf.py front nowhere")
    async with beside_stand(SHOP, file.with_name("other.toml")) as one:
        with pytest.raises(CratonError, match=r"front stopped with exit code 1 3 times(.|\n)*invalid literal for int"):
            async with beside_stand(SHOP, file):
                pass
        assert await ask(f"{one.url}/items") == 43


async def test_a_server_that_is_there_is_used(file: Path, postgresql: str) -> None:
    async with beside_stand(replace(SHOP, database=f"{postgresql}/comparison"), file) as stand:
        assert await ask(f"{stand.url}/items") == 43


@pytest.mark.parametrize(("old", "new", "told"), [
    ("{database.stock}\" }", "{companion.nobody}\" }", "nothing fills {companion.nobody}"),
    ("[[programs]]", "[[progams]]", "progams"),
    ('name = "front"', 'name = "stock"', "one word of its own"),
    ('kind = "gateway"', 'kind = "gate"', "gate"),
    ('"envoy.json"', '"nothing.json"', "nothing.json cannot be read"),
    ("shelf.py prepare", "shelf.py prepare nowhere", "exit code 1"),
])
async def test_what_is_wrong_with_the_file_is_told(file: Path, old: str, new: str, told: str) -> None:
    rewrite(file, old, new)
    with pytest.raises((CratonError, ValueError), match=told):
        async with beside_stand(SHOP, file):
            pass


async def test_what_it_cannot_do_is_refused(file: Path) -> None:
    with pytest.raises(SettingsError, match="has no TLS"):
        async with beside_stand(replace(SHOP, tls="/certificates"), file):
            pass
    with pytest.raises(SettingsError, match="how many processes"):
        async with beside_stand(replace(SHOP, replicas={"*": 2}), file):
            pass
    with pytest.raises((SettingsError, DeclarationError), match="cannot be read"):
        async with beside_stand(SHOP, file.with_name("nowhere.toml")):
            pass


async def test_who_says_that_it_obeys_signals_and_does_not_is_found_out(
    file: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "OBEYS", 0.2)
    rewrite(file, "[files]", DEAF)
    file.with_name("deaf.py").write_text("import signal\nfor n in (10, 12): signal.signal(n, lambda *_: None)\n"
                                         "while True: signal.pause()\n")
    async with beside_stand(SHOP, file) as stand:
        with pytest.raises(CratonError, match="deaf of By hand does nothing when it is sent SIGUSR1"):
            async with stand.trouble("deaf", "slowed"):
                pass
