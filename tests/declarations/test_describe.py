"""The description of an application holds all there is to know of it, for programs and for people."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from craton.application import Application
from craton.describe import Description, LinkDescription, MethodDescription, NeedDescription, describe, text
from craton.topology import load_topologies

PROGRAM = '''
class Gone(Fault, status=410):
    sku: str

class Left(Event):
    sku: str

class Options(Settings):
    low: int = 5

class Stock(Protocol):
    """Stock on hand.

    And more, which is not shown.
    """

    @query(get="/stock/{sku}", raises=Gone, allow="anyone")
    async def left(self, sku: str, *, size: int = 1) -> tuple[int, ...]: ...

class Shop(Protocol):
    @command
    async def buy(self, sku: str) -> None: ...

class Warehouse(Stock):
    def __init__(self, clock: Clock, options: Options) -> None: ...
    async def left(self, sku: str, *, size: int = 1) -> tuple[int, ...]: ...

class Desk(Shop):
    def __init__(self, stock: Stock) -> None: ...
    async def buy(self, sku: str) -> None: ...

    @command(raises=Gone)
    async def place(self, sku: str) -> None: ...

metadata = MetaData()
Table("stock_lines", metadata, Column("sku", String))
app = Application("app", [
    Module(
        "stock", Stock, f"{__name__}:Warehouse", owner="fulfilment", tables=f"{__name__}:metadata", settings=Options,
    ),
    Module("shop", Shop, f"{__name__}:Desk"),
])
'''
TOPOLOGY = """
[wide.services]
all = { modules = ["stock", "shop"], replicas = 2 }
"""


@pytest.fixture
def description(build: Callable[[str], Application], tmp_path: Path) -> Description:
    """The description of PROGRAM."""
    (tmp_path / "topology.toml").write_text(TOPOLOGY)
    application = build(PROGRAM)
    return describe(application, load_topologies(application, tmp_path / "topology.toml"))


def test_it_holds_modules_with_owners_needs_tables_events_and_settings(description: Description) -> None:
    stock, shop = description.modules
    assert (stock.name, stock.owner, stock.summary) == ("stock", "fulfilment", "Stock on hand.")
    assert (stock.tables, stock.settings) == (("stock_lines",), ("CRATON_STOCK_LOW",))
    assert stock.events == ("Left",)
    assert stock.needs == (NeedDescription("clock", "Clock", None), NeedDescription("options", "Options", None))
    assert shop.needs == (NeedDescription("stock", "Stock", "stock"),)
    assert stock.contract.endswith(":Stock") and stock.implementation.endswith(":Warehouse")


def test_it_holds_methods_with_routes_signatures_and_faults(description: Description) -> None:
    stock, shop = description.modules
    assert stock.methods == (
        MethodDescription(
            "left", "query", "(sku: str, *, size: int = 1) -> tuple[int, ...]", "GET /stock/{sku}", ("Gone",), "anyone"
        ),
    )
    assert [method.name for method in shop.methods] == ["buy"]
    assert [(method.name, method.raises) for method in shop.internal] == [("place", ("Gone",))]


def test_it_holds_topologies_with_the_calls_that_leave_a_service(description: Description) -> None:
    links = {topology.name: topology.links for topology in description.topologies}
    assert links == {"monolith": (), "microservices": (LinkDescription("shop", "stock", "rpc"),), "wide": ()}
    assert [(s.name, s.modules, s.replicas) for s in description.topologies[2].services] == [
        ("all", ("stock", "shop"), 2)
    ]


def test_it_can_be_written_as_json_and_read_again(description: Description) -> None:
    assert msgspec.json.decode(msgspec.json.encode(description), type=Description) == description


def test_people_read_it_as_text(description: Description) -> None:
    shown = text(description).replace(description.modules[0].contract.partition(":")[0], "PROGRAM")
    assert shown == textwrap.dedent("""\
        application app

        module stock, owned by fulfilment
          Stock on hand.
          contract        PROGRAM:Stock
          implementation  PROGRAM:Warehouse
          needs           clock: Clock
                          options: Options
          tables          stock_lines
          events          Left
          settings        CRATON_STOCK_LOW
          query left(sku: str, *, size: int = 1) -> tuple[int, ...]
              GET /stock/{sku}  (anyone)
              raises Gone

        module shop
          contract        PROGRAM:Shop
          implementation  PROGRAM:Desk
          needs           stock: Stock (stock)
          events          Left
          command buy(sku: str) -> None
          internal command place(sku: str) -> None
              raises Gone

        topology monolith
          app  stock, shop

        topology microservices
          stock  stock
          shop   shop
            shop -> stock  rpc

        topology wide
          all  stock, shop  x2
    """)


def test_it_says_which_needs_are_optional_and_whether_anybody_provides_them(
    build: Callable[[str], Application],
) -> None:
    application = build("""
        class Stock(Protocol):
            @query
            async def left(self) -> int: ...

        class Hints(Protocol):
            @query
            async def hint(self) -> str: ...

        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Desk(Shop):
            def __init__(self, stock: Stock | None, hints: Hints | None) -> None: ...
            async def find(self, sku: str) -> int: ...

        class Warehouse(Stock):
            async def left(self) -> int: ...

        app = Application("app", [
            Module("shop", Shop, f"{__name__}:Desk"), Module("stock", Stock, f"{__name__}:Warehouse"),
        ])
    """)
    description = describe(application, {})
    assert description.modules[0].needs == (
        NeedDescription("stock", "Stock", "stock", optional=True),
        NeedDescription("hints", "Hints", None, optional=True),
    )
    told = text(description)
    assert "stock: Stock (stock, optional)" in told and "hints: Hints (optional)" in told
