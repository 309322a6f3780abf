"""What `craton run` will start: decided before the first process, and told to each what it needs and no more."""

from __future__ import annotations

import py_compile
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from craton.errors import DeclarationError
from craton.run import compiled
from craton.run.environment import Environment
from craton.run.folder import Folder
from craton.run.loading import load_application
from craton.run.plan import Plan
from craton.topology import Companion, Setup

PROVIDER = Companion("provider", "{python} -m provider --port {port} --data {data}", {"CRATON_PAY_URL": "http://h:{port}"})


def plan(
    folder: Path, *, topology: str = "microservices", companions: tuple[Companion, ...] = (), setup: str = "",
) -> Plan:
    """The plan for a topology of the shop."""
    application, found = load_application("shop", topology)
    return Plan(
        package="shop", application=application, topology=found, companions=companions, setup=Setup(setup),
        folder=Folder(folder), sockets=Path("/run/s"), database=None, port=8000,
    )


def test_a_monolith_serves_the_edge_itself_and_microservices_stand_behind_a_gateway(shop: Path) -> None:
    assert [[p.name for p in stage] for stage in plan(shop, topology="monolith").stages()] == [[], ["shop"], []]
    assert [[p.name for p in stage] for stage in plan(shop).stages()] == [[], ["stock", "orders"], ["gateway"]]


def test_the_edge_shows_the_certificate_of_the_service_that_serves_it(shop: Path) -> None:
    for name in ("shop.crt", "shop.key", "ca.crt"):
        (shop / name).touch()
    _, (only,), _ = (found := replace(plan(shop, topology="monolith"), tls=shop)).stages()
    assert only.environ["CRATON_EDGE_CERTIFICATE"] == f"{shop}/shop.crt" and found.url == "https://127.0.0.1:8000"
    assert Environment.parse(only.environ).tls == str(shop)


def test_each_process_is_told_where_the_others_are_and_its_own_database_only(shop: Path) -> None:
    _, (stock, orders), (gateway,) = plan(shop).stages()
    told = {p.name: Environment.parse(p.environ) for p in (stock, orders, gateway)}
    assert told["stock"].listen == "unix:/run/s/stock.1" and told["stock"].http is None
    assert told["stock"].peers == {"orders": ("unix:/run/s/orders.1",)}
    assert told["gateway"].peers == {"orders": ("unix:/run/s/orders.1",), "stock": ("unix:/run/s/stock.1",)}
    assert (told["gateway"].http, told["gateway"].listen, told["gateway"].database) == ("127.0.0.1:8000", None, None)
    assert told["orders"].database == f"sqlite:///{shop}/orders.db"


KEPT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
"""The variables that say where Python keeps what it has compiled."""


def test_where_nobody_keeps_compiled_python_it_is_kept_with_the_data(
    shop: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setattr(compiled, "is_compiled", lambda package: False)
    assert [plan(shop).environ[name] for name in KEPT] == ["", f"{shop}/compiled"]
    monkeypatch.setattr(compiled, "is_compiled", lambda package: True)
    assert [plan(shop).environ.get(name) for name in KEPT] == ["1", None]


def test_where_compiled_python_is_kept_is_left_to_who_has_said_so(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "is_compiled", lambda package: False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/elsewhere")
    assert plan(shop).environ["PYTHONPYCACHEPREFIX"] == "/elsewhere"
    monkeypatch.delenv("PYTHONPYCACHEPREFIX")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert "PYTHONPYCACHEPREFIX" not in plan(shop).environ


def test_a_package_is_compiled_where_its_first_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fresh.py").write_text("ONE = 1")
    monkeypatch.syspath_prepend(tmp_path)
    assert not compiled.is_compiled("fresh") and not compiled.is_compiled("nowhere")
    py_compile.compile(str(tmp_path / "fresh.py"))
    assert compiled.is_compiled("fresh")


def test_what_the_supervisor_itself_was_told_does_not_reach_a_service(
    shop: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRATON_HTTP", "0.0.0.0:1")
    monkeypatch.setenv("CRATON_DATABASE", "postgresql://h/other")
    monkeypatch.setenv("SHELL_SETTING", "kept")
    stock = plan(shop).stages()[1][0]
    assert Environment.parse(stock.environ).http is None and "other" not in stock.environ["CRATON_DATABASE"]
    assert stock.environ["SHELL_SETTING"] == "kept"


def test_a_companion_gets_a_port_and_a_folder_and_no_secret_and_the_services_its_address(
    shop: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRATON_SECRET", "of the person at the keyboard")
    (provider,), (stock, _), _ = plan(shop, companions=(PROVIDER,)).stages()
    port = provider.answers_at.port
    assert provider.command[1:] == ["-m", "provider", "--port", str(port), "--data", f"{shop}/provider"]
    assert (shop / "provider").is_dir() and "CRATON_SECRET" not in provider.environ
    assert stock.environ["CRATON_PAY_URL"] == f"http://h:{port}"


def test_a_setting_made_by_hand_is_stronger_than_a_companions(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRATON_PAY_URL", "https://real")
    assert plan(shop, companions=(PROVIDER,)).stages()[1][0].environ["CRATON_PAY_URL"] == "https://real"


def test_the_set_up_knows_the_url_the_secret_and_what_the_services_know(shop: Path) -> None:
    made = plan(shop, companions=(PROVIDER,), setup="import --to {url} --from '{data}/a b'").setup_program()
    assert made is not None
    assert made.command == ["import", "--to", "http://127.0.0.1:8000", "--from", f"{shop}/setup/a b"]
    assert made.environ["CRATON_SECRET"] and made.environ["CRATON_PAY_URL"].startswith("http://h:")
    assert plan(shop).setup_program() is None


LINKED = """
[linked.services]
front = ["orders"]
stock = { modules = ["stock"], COMMAND }
[linked.links]
"orders -> stock" = "rest"
"""


def test_a_service_answers_by_the_links_that_others_ask_it_by_and_these_know_where(shop: Path) -> None:
    (shop / "shop" / "topology.toml").write_text(LINKED.replace("COMMAND", "replicas = 1"))
    _, (front, stock), (gateway,) = plan(shop, topology="linked").stages()
    told = {p.name: Environment.parse(p.environ) for p in (front, stock, gateway)}
    assert (told["stock"].http, told["stock"].grpc) == ("unix:/run/s/stock.1.rest", None)
    assert told["front"].rest_peers == {"stock": ("unix:/run/s/stock.1.rest",)}
    assert told["front"].peers == {"stock": ("unix:/run/s/stock.1",)}
    assert told["gateway"].rest_peers == {} and told["front"].http is None


def test_a_program_in_another_language_is_told_its_port_its_folder_and_the_secret_and_says_when_it_is_ready(
    shop: Path,
) -> None:
    contract = shop / "shop" / "stock" / "contract.py"
    routed = contract.read_text().replace("raises=OutOfStock)", 'post="/out", raises=OutOfStock)')
    contract.write_text(routed.replace("@command\n", '@command(post="/back")\n'))
    command = 'command = "node {here}/stock.mjs --port {port} --data {data}"'
    (shop / "shop" / "topology.toml").write_text(LINKED.replace("COMMAND", command))
    made = plan(shop, topology="linked")
    _, (front, stock), (gateway,) = made.stages()
    place = f"127.0.0.1:{stock.answers_at.port}"
    data = ["--data", f"{shop}/stock"]
    assert stock.command == ["node", f"{shop}/shop/stock.mjs", "--port", str(stock.answers_at.port), *data]
    assert (stock.health, stock.environ["CRATON_HTTP"]) == ("/health/ready", place)
    assert stock.environ["CRATON_SECRET"] == front.environ["CRATON_SECRET"] and "CRATON_DATABASE" not in stock.environ
    for program in (front, gateway):
        told = Environment.parse(program.environ)
        assert "stock" not in told.peers and told.rest_peers == {"stock": (place,)}
    assert made.databases().keys() == {"front"}


@pytest.mark.parametrize("command", ["run --at {host}", "run {", "run {0}"])
def test_a_placeholder_that_nothing_fills_is_refused_with_those_there_are(shop: Path, command: str) -> None:
    with pytest.raises(DeclarationError, match=r"there are \{python\}, \{data\} and \{port\}"):
        plan(shop, companions=(Companion("mail", command, {}),)).stages()


@pytest.mark.parametrize("topology", ["monolith", "microservices"])
def test_envoy_stands_in_front_of_services_that_each_serve_their_own_routes(shop: Path, topology: str) -> None:
    made = replace(plan(shop, topology=topology), gateway="envoy", sockets=shop / "s")
    _, services, (gateway,) = made.stages()
    for program in services:
        assert Environment.parse(program.environ).http == f"unix:{shop}/s/{program.name}.1.rest"
    assert gateway.name == "gateway" and gateway.answers_at.port == 8000 and gateway.drain
    assert "CRATON_SECRET" not in gateway.environ
    assert (shop / "s" / "gateway" / "envoy.json").exists()
