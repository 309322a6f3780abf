"""A fault that a method raises and does not declare is found in its source."""

from __future__ import annotations

from collections.abc import Callable

Refused = Callable[[str], str]


def test_a_fault_that_is_not_declared_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int:
                raise Gone(sku)

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find raises Gone (line 15), which it does not declare: add it to @query(raises=...)."


def test_a_fault_raised_without_arguments_and_not_declared_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Closed(Fault): ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None:
                if sku:
                    raise Closed
                raise Gone(sku)
    """) == "Desk.buy raises Closed (line 20), which it does not declare: add it to @command(raises=...)."


def test_a_subclass_of_a_declared_fault_is_refused_since_it_crosses_under_its_own_name(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Lost(Gone): ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int: ...

            async def buy(self, sku: str) -> None:
                raise Lost(sku)
    """) == "Desk.buy raises Lost (line 19), which it does not declare: add it to @command(raises=...)."


def test_a_fault_raised_by_what_the_method_calls_on_self_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int:
                return self.count(sku)

            async def buy(self, sku: str) -> None: ...

            def count(self, sku: str) -> int:
                raise Gone(sku)
    """) == "Desk.find raises Gone (line 20), which it does not declare: add it to @query(raises=...)."


def test_a_fault_that_is_caught_and_raised_again_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Fault):
            sku: str

        class Shop(Protocol):
            @query
            async def find(self, sku: str, size: int = 1) -> int: ...

            @command(raises=Gone)
            async def buy(self, sku: str) -> None: ...

        class Desk(Shop):
            async def find(self, sku: str, size: int = 1) -> int:
                try:
                    raise Gone(sku)
                except Gone:
                    raise

            async def buy(self, sku: str) -> None: ...
    """) == "Desk.find raises Gone (line 16), which it does not declare: add it to @query(raises=...)."


def test_a_fault_of_a_method_that_the_contract_lacks_must_be_declared_as_well(refused: Refused) -> None:
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
            async def place(self, sku: str) -> None:
                raise Gone(sku)
    """) == "Desk.place raises Gone (line 20), which it does not declare: add it to @command(raises=...)."
