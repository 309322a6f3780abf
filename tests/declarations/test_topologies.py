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
from craton.pools import Pool, cores
from craton.task import Task
from craton.topology import (
    Companion,
    Service,
    Topology,
    check_database,
    load_companions,
    load_settings,
    load_topologies,
)
from craton.values import Value


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


# ---------------------------------------------------------------------- workers


class Parcel(Value):
    number: int = 0


PACK, WEIGH = Task("pack", Parcel, Parcel, queue="hands"), Task("weigh", Parcel, Parcel, queue="scales")
DEPOT = Application("depot", [
    Module("orders", Orders, "a:A", tasks={PACK: "a:pack", WEIGH: ""}), Module("stock", Stock, "a:B"),
])


@pytest.fixture
def depot(tmp_path: Path) -> Load:
    """The topologies of DEPOT, which has tasks, with this file."""

    def loaded(text: str) -> dict[str, Topology]:
        path = tmp_path / "topology.toml"
        path.write_text(textwrap.dedent(text))
        return load_topologies(DEPOT, path)

    return loaded


def test_a_file_gives_a_topology_pools_also_one_that_exists_without_being_written(depot: Load) -> None:
    found = depot("""
        [monolith.workers]
        hands = { queues = ["hands"], slots = 2, replicas = 3 }
        scales = { queues = ["*", "scales"], command = "node {here}/scales.js" }
    """)
    assert found["monolith"].services == (Service("depot", ("orders", "stock")),)
    assert found["monolith"].workers == (
        Pool("hands", ("hands",), 2, 3), Pool("scales", ("hands", "scales"), command="node {here}/scales.js"),
    )
    assert not found["monolith"].unwritten
    assert found["monolith"].pool("hands").slots == 2


def test_a_topology_without_workers_has_one_pool_for_all_that_is_done_in_python(depot: Load) -> None:
    found = depot("")["microservices"]
    assert found.unwritten and found.workers == (Pool("workers", ("hands",), slots=cores()),)


def test_a_topology_of_an_application_without_tasks_has_no_workers(load: Load) -> None:
    assert load("")["monolith"].workers == () and not load("")["monolith"].unwritten


BOTH = 'all = { queues = ["*"], command = "run" }'


@pytest.mark.parametrize(("pools", "message"), [
    ('all = { queues = ["hands"] }', "topology monolith forgets queue scales: add it to one of its workers."),
    (
        'all = { queues = ["*"] }',
        "topology monolith: pool all is to do orders.weigh, whose handler is not in Python: give the pool a command, "
        "or the task a handler.",
    ),
    (
        f'{BOTH}\nx = {{ queues = ["feet"] }}',
        "topology monolith: pool x has an unknown queue feet: the tasks have hands, scales.",
    ),
    (f"{BOTH}\nx = {{ queues = [] }}", "topology monolith: pool x serves no queue: give it one, or remove it."),
    (f'{BOTH}\nx = {{ queues = ["hands"], slots = 0 }}', "topology monolith: pool x has 0 slots: give it at least 1."),
    (
        f'{BOTH}\nx = {{ queues = ["hands"], replicas = 0 }}',
        "topology monolith: pool x has 0 replicas: give it at least 1.",
    ),
    (
        f'{BOTH}\ndepot = {{ queues = ["hands"] }}',
        "topology monolith: pool depot is named like a service: choose another name.",
    ),
    (
        f'{BOTH}\nx = {{ queue = "hands" }}',
        f"monolith: Object contains unknown field `queue` - at `$.workers[...]`: {TOPOLOGY}.",
    ),
])
def test_pools_that_could_not_do_their_jobs_are_refused(depot: Load, pools: str, message: str) -> None:
    assert refused(depot, f"[monolith.workers]\n{pools}") == message


def test_a_pool_that_is_not_there_is_said_to_be_none_of_those_that_are(depot: Load) -> None:
    with pytest.raises(DeclarationError, match=r"^topology monolith has no pool cpu: it has workers\.$"):
        depot("")["monolith"].pool("cpu")


def test_settings_stand_beside_the_topologies(load: Load, tmp_path: Path) -> None:
    assert list(load('[settings]\nAPI = "{url}/api"')) == ["monolith", "microservices"]
    assert load_settings(tmp_path / "topology.toml") == {"API": "{url}/api"}
    (tmp_path / "topology.toml").write_text("[settings]\nAPI = 7")
    with pytest.raises(DeclarationError, match=r"Expected `str`, got `int`.*settings are variables of the env"):
        load_settings(tmp_path / "topology.toml")
