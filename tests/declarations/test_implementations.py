"""An implementation that does not keep its contract is refused."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_method_that_is_not_implemented_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def buy(self, sku: str) -> None: ...
    """) == "Desk does not implement Shop.find: write the method."


def test_a_renamed_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, id: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (id: str, size: int = 1) -> int, but Shop.find is (sku: str, size: int = 1) -> int: "
        "make them the same."
    )


def test_a_missing_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str) -> int, but Shop.find is (sku: str, size: int = 1) -> int: make them the same."
    )


def test_another_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1, colour: str = '') -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str, size: int = 1, colour: str = '') -> int, but Shop.find is (sku: str, size: "
        "int = 1) -> int: make them the same."
    )


def test_another_kind_of_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, *, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str, *, size: int = 1) -> int, but Shop.find is (sku: str, size: int = 1) -> int: "
        "make them the same."
    )


def test_another_type_of_a_parameter_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: float = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str, size: float = 1) -> int, but Shop.find is (sku: str, size: int = 1) -> int: "
        "make them the same."
    )


def test_another_default_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 2) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str, size: int = 2) -> int, but Shop.find is (sku: str, size: int = 1) -> int: "
        "make them the same."
    )


def test_another_return_type_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int | None: ...

            async def buy(self, sku: str) -> None: ...
    """) == (
        "Desk.find is (sku: str, size: int = 1) -> int | None, but Shop.find is (sku: str, size: "
        "int = 1) -> int: make them the same."
    )


def test_an_implementation_without_annotations_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku, size=1): ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find is (sku, size = 1), but Shop.find is (sku: str, size: int = 1) -> int: make them the same."


def test_an_implementation_without_async_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find is not async, but Shop.find is: write `async def`."


def test_an_attribute_in_place_of_a_method_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            find = None

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find is no method: write it as Shop.find is written."


def test_a_method_that_is_marked_again_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find is marked again: the mark stands in Shop; remove this one."


def test_an_implementation_with_slots_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            __slots__ = ('db',)

            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk has __slots__, but commands are wrapped on the instance: remove __slots__."


def test_an_implementation_that_subclasses_no_contract_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk:
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk must subclass exactly one contract, and subclasses none."


def test_an_implementation_that_subclasses_two_contracts_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Shop, Bar):
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...
    """) == "Desk must subclass exactly one contract, and subclasses Shop, Bar."


def test_an_implementation_of_another_contract_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Bar(Protocol):
            @query
            async def drink(self) -> None: ...

        class Desk(Bar):
            async def drink(self) -> None: ...
    """) == "module shop promises Shop, but Desk implements Bar: correct one of the two."


def test_an_implementation_that_is_no_class_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        Desk = 3
    """) == "module shop: PROGRAM:Desk is no class: name the class that implements the contract."


def test_a_stream_implemented_as_a_coroutine_is_refused(refused: Refused) -> None:
    assert refused("""
        class Shop(Protocol):
            @query
            def follow(self) -> AsyncIterator[int]: ...

        class Desk(Shop):
            async def follow(self) -> AsyncIterator[int]:
                return aiter(())
    """) == "Desk.follow is a coroutine, but Shop.follow is a stream: `yield` its items."


def test_a_route_on_a_method_that_the_contract_lacks_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...

            @command(post='/place')
            async def place(self, sku: str) -> None: ...
    """) == "Desk.place has a route, but is in no contract: the edge serves contracts; declare it in one."


def test_a_list_in_a_method_that_the_contract_lacks_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None: ...

            @command
            async def place(self, skus: list[str]) -> None: ...
    """) == (
        "Desk.place: parameter skus is list[str], which can be changed by whoever holds it: use tuple[str, ...]."
    )
