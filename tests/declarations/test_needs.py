"""A need that nobody provides, and modules that need each other in a circle, are refused."""

from __future__ import annotations

from collections.abc import Callable

from craton import Application

Refused = Callable[[str], str]
Build = Callable[[str], Application]


def test_a_contract_that_no_module_provides_is_refused_as_a_need(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, bar: Bar) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: bar asks for Bar, but no module provides it: add one to the Application."


def test_a_need_without_a_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, bar) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: bar does not say what it asks for: annotate it with a contract or a part of Craton."


def test_a_need_with_a_star_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, *bars: Bar) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: bars does not say what it asks for: annotate it with a contract or a part of Craton."


def test_an_unknown_need_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, other: Other) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == (
        "Desk.__init__: other asks for Other, which nobody provides: "
        "ask for a contract, a Settings class, or one of Blobs, Call, Clock, Database, Door, Events, Ids, "
        "Offload, Random, Saga, Streams, Tasks, Tokens."
    )


def test_a_need_of_a_plain_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, url: str) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == (
        "Desk.__init__: url asks for str, which nobody provides: "
        "ask for a contract, a Settings class, or one of Blobs, Call, Clock, Database, Door, Events, Ids, "
        "Offload, Random, Saga, Streams, Tasks, Tokens."
    )


def test_an_optional_need_may_go_without_a_module_that_provides_it(build: Build) -> None:
    build("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            def __init__(self, bar: Bar | None, other: Optional[Bar]) -> None: ...

            async def find(self, sku: str) -> int: ...
    """)


def test_only_a_contract_is_an_optional_need(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Desk(Shop):
            def __init__(self, clock: Clock | None) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: clock may be None, but only contracts can be missing: drop `| None`."


def test_a_circle_through_an_optional_need_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop):
            def __init__(self, bar: Bar | None) -> None: ...
            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            def __init__(self, shop: Shop) -> None: ...
            async def drink(self) -> None: ...

        app = Application("app", [Module("shop", Shop, f"{__name__}:Desk"), Module("bar", Bar, f"{__name__}:Mixer")])
    """) == (
        "modules need each other in a circle: shop -> bar -> shop: "
        "break it with an event, or move what they share."
    )


def test_a_need_of_its_own_contract_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, shop: Shop) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: shop asks for its own contract Shop: call self instead."


def test_settings_that_the_module_does_not_have_are_refused_as_a_need(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, options: Options) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == "Desk.__init__: options asks for Options: write Module('shop', ..., settings=Options)."


def test_a_need_that_is_not_imported_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, club: Club) -> None: ...

            async def find(self, sku: str) -> int: ...
    """) == (
        "Desk.__init__: name 'Club' is not defined: "
        "import every type of its annotations, and not under TYPE_CHECKING."
    )


def test_a_need_of_an_implementation_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            async def find(self, sku: str) -> int: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Options(Settings):
            url: str

        class Other: ...

        class Desk(Shop):
            def __init__(self, mixer: Mixer) -> None: ...

            async def find(self, sku: str) -> int: ...

        class Mixer(Bar):
            async def drink(self) -> None: ...

        app = Application("app", [Module("shop", Shop, f"{__name__}:Desk"), Module("bar", Bar, f"{__name__}:Mixer")])
    """) == "Desk.__init__: mixer asks for Mixer, which nobody provides: ask for the contract, Bar."


def test_modules_that_need_each_other_in_a_circle_are_refused_with_their_path(refused: Refused) -> None:
    assert refused("""
        class Orders(Protocol):
            @query
            async def order(self) -> int: ...

        class Payments(Protocol):
            @query
            async def payment(self) -> int: ...

        class Stock(Protocol):
            @query
            async def left(self) -> int: ...

        class Desk(Orders):
            def __init__(self, payments: Payments, clock: Clock) -> None: ...
            async def order(self) -> int: ...

        class Till(Payments):
            def __init__(self, stock: Stock) -> None: ...
            async def payment(self) -> int: ...

        class Warehouse(Stock):
            def __init__(self, payments: Payments) -> None: ...
            async def left(self) -> int: ...

        app = Application("app", [
            Module("orders", Orders, f"{__name__}:Desk"),
            Module("payments", Payments, f"{__name__}:Till"),
            Module("stock", Stock, f"{__name__}:Warehouse"),
        ])
    """) == (
        "modules need each other in a circle: payments -> stock -> payments: "
        "break it with an event, or move what they share."
    )
