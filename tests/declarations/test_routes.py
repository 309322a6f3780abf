"""A route that does not fit its method, or that two methods claim, is refused."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_get_on_a_command_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @command(get='/buy')
            async def buy(self, sku: str) -> None: ...
    """) == "Shop.buy: GET is not for a command, which changes something: use post=, or mark it @query."


def test_a_put_on_a_query_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(put='/find')
            async def find(self, sku: str) -> None: ...
    """) == "Shop.find: PUT is not for a query, which changes nothing: use get=, or mark it @command."


def test_two_routes_of_one_method_are_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='/find', post='/find')
            async def find(self, sku: str) -> None: ...
    """) == "@query was given GET /find and POST /find: give a method one route."


def test_a_route_on_an_effect_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @effect(post='/charge')
            async def charge(self, amount: int) -> None: ...
    """) == "Shop.charge: an effect has no route, since only sagas call effects: give the route to a saga."


def test_a_route_parameter_that_is_no_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='/find/{id}')
            async def find(self, sku: str, size: int) -> None: ...
    """) == "Shop.find: route /find/{id} names {id}, which is no parameter: it has sku, size."


def test_a_route_that_names_a_parameter_twice_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='/find/{sku}/{sku}')
            async def find(self, sku: str) -> None: ...
    """) == "Shop.find: route /find/{sku}/{sku} names {sku} twice: name it once."


def test_a_route_without_its_slash_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='find')
            async def find(self, sku: str) -> None: ...
    """) == "Shop.find: route 'find' is malformed: write it like '/stock/{sku}'."


def test_a_value_in_a_path_is_refused(refused: Refused) -> None:
    assert refused("""
        class Line(Value):
            sku: str
        class Shop(Protocol):
            @command(post='/find/{line}')
            async def find(self, line: Line) -> None: ...
    """) == (
        "Shop.find: parameter line is Line, which does not fit into a path: "
        "use a plain type, or post= with the parameter in its body."
    )


def test_an_optional_parameter_in_a_path_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='/find/{sku}')
            async def find(self, sku: str | None) -> None: ...
    """) == (
        "Shop.find: parameter sku is str | None, which does not fit into a path: "
        "use a plain type, or post= with the parameter in its body."
    )


def test_a_value_in_a_query_string_is_refused(refused: Refused) -> None:
    assert refused("""
        class Line(Value):
            sku: str
        class Shop(Protocol):
            @query(get='/find')
            async def find(self, line: Line) -> None: ...
    """) == (
        "Shop.find: parameter line is Line, which does not fit into a query string: "
        "use a plain type, or post= with the parameter in its body."
    )


def test_a_secret_in_a_query_string_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query(get='/find')
            async def find(self, token: Secret) -> None: ...
    """) == (
        "Shop.find: parameter token is Secret, which does not fit into a query string: "
        "use a plain type, or post= with the parameter in its body."
    )


def test_two_modules_with_one_route_are_refused(refused: Refused) -> None:
    assert refused("""
        class Stock(Protocol):
            @query(get='/items')
            async def left(self, sku: str) -> int: ...

        class Catalog(Protocol):
            @query(get='/items')
            async def product(self, id: str) -> str: ...

        app = Application("app", [Module("stock", Stock, "a:Warehouse"), Module("catalog", Catalog, "a:Shelf")])
    """) == (
        "GET /items of catalog.product and GET /items of stock.left are the same route: "
        "give one of them another path."
    )


def test_two_routes_that_differ_only_in_the_names_of_parameters_are_refused(refused: Refused) -> None:
    assert refused("""
        class Stock(Protocol):
            @query(get='/items/{sku}')
            async def left(self, sku: str) -> int: ...

        class Catalog(Protocol):
            @query(get='/items/{id}')
            async def product(self, id: str) -> str: ...

        app = Application("app", [Module("stock", Stock, "a:Warehouse"), Module("catalog", Catalog, "a:Shelf")])
    """) == (
        "GET /items/{id} of catalog.product and GET /items/{sku} of stock.left are the same route: "
        "give one of them another path."
    )
