"""A topology places every module in one service, and is refused otherwise."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from craton.application import Application
from craton.contract import query
from craton.errors import CratonError, DeclarationError, SettingsError
from craton.module import Module
from craton.topology import Companion, Service, Topology, check_database, load_companions, load_topologies


class Orders(Protocol):
    @query
    async def order(self) -> int: ...


class Stock(Protocol):
    @query(get="/stock")
    async def left(self) -> int: ...


class Payments(Protocol):
    @query
    async def paid(self) -> int: ...


TOPOLOGY = (
    'a topology has services (lists of modules, or tables of modules, replicas and command), each = "*", links, and '
    "workers (tables of queues, slots, replicas and command)"
)
COMPANION = "a companion has a command, and may have settings"
SHOP = Application("shop", [
    Module("orders", Orders, "a:A"), Module("stock", Stock, "a:B"), Module("payments", Payments, "a:C"),
])
Load = Callable[[str], dict[str, Topology]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The topologies of SHOP with this file."""

    def loaded(text: str) -> dict[str, Topology]:
        path = tmp_path / "topology.toml"
        path.write_text(textwrap.dedent(text))
        load_companions(path)
        return load_topologies(SHOP, path)

    return loaded


def refused(load: Load, text: str) -> str:
    """Why a file is refused, without its path."""
    with pytest.raises(DeclarationError) as caught:
        load(text)
    return str(caught.value).partition("topology.toml: ")[2] or str(caught.value)


def test_monolith_and_microservices_exist_without_a_file(tmp_path: Path) -> None:
    found = load_topologies(SHOP, tmp_path / "absent.toml")
    assert found["monolith"].services == (Service("shop", ("orders", "stock", "payments")),)
    assert found["microservices"].services == (
        Service("orders", ("orders",)), Service("stock", ("stock",)), Service("payments", ("payments",)),
    )


def test_a_file_groups_modules_into_services_with_replicas_and_links(load: Load) -> None:
    found = load("""
        [hybrid.services]
        front = { modules = ["orders", "stock"], replicas = 2 }
        payments = ["payments"]
        [hybrid.links]
        "orders -> payments" = "rpc"
    """)
    assert list(found) == ["monolith", "microservices", "hybrid"]
    assert found["hybrid"] == Topology(
        "hybrid", (Service("front", ("orders", "stock"), 2), Service("payments", ("payments",))),
        {"orders -> payments": "rpc"},
    )


def test_a_star_stands_for_the_modules_that_are_named_nowhere_else(load: Load) -> None:
    found = load("""
        [one.services]
        money = ["payments"]
        rest = ["*"]
        [two]
        each = "*"
        [two.services]
        money = ["payments"]
    """)
    assert found["one"].services == (Service("money", ("payments",)), Service("rest", ("orders", "stock")))
    assert [service.name for service in found["two"].services] == ["money", "orders", "stock"]


def test_a_topology_knows_where_a_module_lives_and_how_it_is_called(load: Load) -> None:
    split = load('[split.services]\nfront = ["orders", "stock"]\npayments = ["payments"]')["split"]
    assert split.home_of("stock") == split.service("front") == Service("front", ("orders", "stock"))
    assert (split.link("orders", "stock"), split.link("orders", "payments")) == ("local", "rpc")
    assert split.service("gateway") == Service("gateway", ())


def test_a_link_is_chosen_by_the_pair_then_by_who_asks_then_by_who_is_asked_then_for_all(load: Load) -> None:
    split = load('''
        [split]
        each = "*"
        [split.links]
        "orders -> stock" = "rpc"
        "orders -> *" = "grpc"
        "* -> payments" = "rest"
        "gateway -> stock" = "rest"
        "* -> *" = "grpc"
    ''')["split"]
    assert [split.link("orders", asked) for asked in ("stock", "payments")] == ["rpc", "grpc"]
    assert [split.link("stock", asked) for asked in ("payments", "orders")] == ["rest", "grpc"]
    assert split.link("gateway", "stock") == "rest"
    assert split.kinds(split.service("orders"), split.service("payments")) == {"grpc"}
    assert split.kinds(split.service("gateway"), split.service("payments")) == {"rest"}


def test_a_service_with_a_command_is_asked_by_rest_whatever_the_others_are_asked_by(load: Load) -> None:
    split = load('''
        [split.services]
        front = ["*"]
        stock = { modules = ["stock"], command = "node stock.mjs --port {port}" }
        [split.links]
        "* -> *" = "grpc"
    ''')["split"]
    assert split.service("stock").command == "node stock.mjs --port {port}"
    assert (split.link("orders", "stock"), split.link("gateway", "orders")) == ("rest", "grpc")


def test_asking_for_a_service_or_module_that_is_not_there_says_what_is(load: Load) -> None:
    monolith = load("")["monolith"]
    with pytest.raises(DeclarationError, match=r"^topology monolith has no service front: it has shop\.$"):
        monolith.service("front")
    with pytest.raises(DeclarationError, match=r"^topology monolith has no module carts: place it in one of its "):
        monolith.home_of("carts")
    with pytest.raises(DeclarationError, match=r"^application shop has no module carts: it has orders, stock, pay"):
        SHOP.module("carts")


def test_companions_stand_beside_the_topologies(load: Load, tmp_path: Path) -> None:
    text = """
        [companions.provider]
        command = "{python} -m provider --port {port}"
        settings = { CRATON_PAYMENTS_API_BASE = "http://[::1]:{port}" }
    """
    assert list(load(text)) == ["monolith", "microservices"]
    assert load_companions(tmp_path / "topology.toml") == (
        Companion("provider", "{python} -m provider --port {port}", {"CRATON_PAYMENTS_API_BASE": "http://[::1]:{port}"}),
    )


@pytest.mark.parametrize(("text", "message"), [
    ('[a.services]\nx = ["orders", "stock"]', "topology a forgets module payments: place it in a service."),
    ('[a.services]\nx = ["*"]\ny = ["*"]', "topology a places module orders in x and in y: place it in one service."),
    (
        '[a.services]\nx = ["orders", "orders", "*"]',
        "topology a places module orders in x and in x: place it in one service.",
    ),
    (
        '[a.services]\nx = ["*", "carts"]',
        "topology a: service x has an unknown module carts: the application has orders, stock, payments.",
    ),
    (
        '[a.services]\nx = { modules = ["*"], replicas = 0 }',
        "topology a: service x has 0 replicas: give it at least 1.",
    ),
    ('[a.services]\nx = ["*"]\ny = []', "topology a: service y has no modules: give it one, or remove it."),
    ('[a.services]\ngateway = ["*"]', "topology a: service 'gateway': this name is reserved: choose another."),
    (
        '[a.services]\n"my shop" = ["*"]',
        "topology a: service 'my shop': a name is made of lower-case letters, digits and single underscores, begins "
        "with a letter, and has at most 40 characters.",
    ),
    (
        '[A.services]\nx = ["*"]',
        "topology 'A': a name is made of lower-case letters, digits and single underscores, begins with a letter, and "
        "has at most 40 characters.",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders -> stock" = "smoke"',
        "topology a: link 'orders -> stock' is of an unknown kind 'smoke': there are local, wire, rpc, rest, grpc.",
    ),
    (
        '[a.services]\nx = ["*"]\nstock = { modules = ["stock"], command = "node x" }\n[a.links]\n"* -> stock" = "rpc"',
        "topology a: link '* -> stock': service stock has a command, and is asked by rest: remove the link.",
    ),
    (
        '[a.services]\nx = { modules = ["*"], command = "node x" }',
        "topology a: service x has a command, and module orders is asked at its routes: give its method order one (an "
        "effect cannot have any).",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders -> gateway" = "rest"',
        "topology a: link 'orders -> gateway' names gateway, which is no module: correct it.",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders -> stock" = "local"',
        "topology a: link 'orders -> stock': local is for modules of one service, and these are of two: use rpc, rest "
        "or grpc.",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders -> stock" = "wire"',
        "topology a: link 'orders -> stock': wire is for tests, within one process: use rpc, rest or grpc.",
    ),
    (
        '[a.services]\nx = ["*"]\n[a.links]\n"orders -> stock" = "rpc"',
        "topology a: link 'orders -> stock': both are in service x, where calls are local: remove the link.",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders -> carts" = "rpc"',
        "topology a: link 'orders -> carts' names carts, which is no module: correct it.",
    ),
    (
        '[a]\neach = "*"\n[a.links]\n"orders, stock" = "rpc"',
        "topology a: link 'orders, stock' is malformed: write it like 'orders -> payments'.",
    ),
    ('[a.servces]\nx = ["*"]', f"a: Object contains unknown field `servces`: {TOPOLOGY}."),
    ('[a.services]\nx = "orders"', f"a: Expected `object | array`, got `str` - at `$.services[...]`: {TOPOLOGY}."),
    ('[companions]\nx = {}', f"companions: Object missing required field `command` - at `$[...]`: {COMPANION}."),
])
def test_a_wrong_topology_is_refused(load: Load, text: str, message: str) -> None:
    assert refused(load, text) == message


def test_a_file_that_is_no_toml_is_refused_with_its_path(load: Load) -> None:
    with pytest.raises(DeclarationError, match=r"topology\.toml is not TOML: Expected"):
        load("[a.s")


def test_sqlite_is_refused_for_replicas() -> None:
    shop = Service("shop", ("orders",), replicas=2)
    check_database(shop, "postgresql://localhost/shop")
    check_database(Service("shop", ("orders",)), "sqlite:////tmp/shop.db")
    with pytest.raises(SettingsError) as caught:
        check_database(shop, "sqlite:////tmp/shop.db")
    assert isinstance(caught.value, CratonError)
    assert str(caught.value) == (
        "service shop has 2 replicas, but SQLite serves one process per file: "
        "give it a PostgreSQL database (postgresql://...), or replicas = 1."
    )
