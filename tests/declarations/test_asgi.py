"""A module may have an ASGI application in place of a contract; what does not fit is told before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from craton.application import Application
from craton.describe import NeedDescription, describe, text
from craton.lab.diff.difference import difference
from craton.topology import TopologyTable, topology_of

SHOP = """
class Stock(Protocol):
    @query(get="/stock/{sku}")
    async def left(self, sku: str) -> int: ...

class Hints(Protocol):
    @query
    async def hint(self) -> str: ...

class Warehouse(Stock):
    async def left(self, sku: str) -> int:
        return 1

class Look(Settings):
    title: str = "shop"

def pages(stock: Stock, hints: Hints | None, look: Look):
    '''Pages for people.'''
    return None

async def late(stock: Stock):
    return None

class Pages:
    def __init__(self, stock: Stock) -> None:
        pass

async def plain(scope, receive, send):
    pass

def writing(db: Database):
    return None

def wanting(hints: Hints):
    return None

def desk(operator: Operator):
    return None

class Nosy(Hints):
    def __init__(self, operator: Operator) -> None:
        pass

    async def hint(self) -> str:
        return ""

def vague(stock):
    return None

class Itself:
    async def __call__(self, scope, receive, send):
        pass

itself = Itself()
nothing = 7

app = Application("app", [
    Module("stock", Stock, f"{__name__}:Warehouse"), %s
])
from craton import Database, Operator
class Desk: pass
"""


def shop(module: str) -> str:
    return SHOP.replace("%s", module).replace("from words import *", "from words import *\nfrom craton import Database")


@pytest.mark.parametrize("name", ["pages", "Pages", "itself", "desk"])
def test_a_function_a_class_or_the_application_itself_are_taken(build: Callable[[str], Application], name: str) -> None:
    build(shop(f'Module("web", asgi=f"{{__name__}}:{name}", settings=Look)'))


@pytest.mark.parametrize("module, why", [
    ('Module("web")', "module web has no contract and implementation: give it both, or asgi=."),
    ('Module("web", Stock)', "module web has no contract and implementation: give it both, or asgi=."),
    ('Module("web", Hints, "a:B", path="/x")', "module web: path= is where asgi= is served: a contract's methods have"),
    ('Module("web", Hints, "a:B", asgi="a:b")', "module web has a contract and asgi=: make two modules of it"),
    ('Module("web", asgi="a:b", tables="a:t")', "module web: the tables of an ASGI application are its own affair"),
    ('Module("web", Hints, "a:B", sign_ins=("/x",))', "module web: sign_ins= are forms of asgi=: mark methods with"),
    ('Module("web", asgi="a:b", sign_ins="/login")', "module web: sign_ins='/login' is malformed: write it like"),
    ('Module("web", asgi="a:b", path="shop")', "module web: path 'shop' is malformed: write it like '/' or '/admin'."),
    ('Module("web", asgi="a:b", path="/s/{x}")', "module web: path '/s/{x}' is malformed"),
    ('Module("web", asgi="a:b", path="/stock")', "path '/stock' would be hidden by /stock/{sku} of stock.left"),
    ('Module("web", asgi="a:b", path="/health")', "path '/health' would be hidden by /health/live of the edge"),
    ('Module("web", asgi="a:b"), Module("two", asgi="a:c")', "path /: claimed by web and by two"),
    ('Module("web", asgi="nowhere:b")', "module web: there is no nowhere: correct the import path 'nowhere:b'."),
    ('Module("web", asgi=f"{__name__}:late")', "module web: PROGRAM:late is async: name a plain function"),
    ('Module("web", asgi=f"{__name__}:plain")', "module web: PROGRAM:plain is async: name a plain function"),
    ('Module("web", asgi=f"{__name__}:nothing")', "module web: PROGRAM:nothing is no ASGI application: name one"),
    ('Module("web", asgi=f"{__name__}:writing")', "writing: db asks for Database, but pages run in no transaction"),
    ('Module("web", Hints, f"{__name__}:Nosy")', "operator asks for Operator, which nobody provides"),
    ('Module("web", asgi=f"{__name__}:wanting")', "wanting: hints asks for Hints, but no module provides it"),
    ('Module("web", asgi=f"{__name__}:vague")', "vague: stock does not say what it asks for"),
    ('Module("web", asgi=f"{__name__}:pages")', "pages: look asks for Look: write Module('web', ..., settings=Look)."),
])
def test_what_does_not_fit_is_refused(refused: Callable[[str], str], module: str, why: str) -> None:
    assert why in refused(shop(module))


def test_inspect_and_diff_know_it(build: Callable[[str], Application]) -> None:
    app = build(shop('Module("web", asgi=f"{__name__}:pages", path="/shop", settings=Look, owner="w")'))
    one = topology_of(app, "one", TopologyTable(services={"all": ["*"]}))
    each = topology_of(app, "each", TopologyTable(each="*"))
    description = describe(app, {"each": each})
    web = description.modules[1]
    assert (web.summary, web.path, web.contract, web.methods) == ("Pages for people.", "/shop", "", ())
    assert web.needs[:2] == (NeedDescription("stock", "Stock", "stock"), NeedDescription("hints", "Hints", None, True))
    assert f"  asgi            {web.asgi} at /shop\n" in text(description)
    changes = difference(app, one, each, traffic={}).changes
    assert ("web", ("stock",)) in [(change.asking, change.asked) for change in changes if change.effect == "call"]
    assert not [change for change in changes if change.asking == "databases"]  # pages keep no rows

