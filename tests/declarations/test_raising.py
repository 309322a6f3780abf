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


def test_a_wait_for_an_event_that_the_saga_does_not_declare_is_refused(refused: Refused) -> None:
    assert refused("""
        class Gone(Event, key="sku"):
            sku: str

        class Shop(Protocol):
            @saga
            async def sell(self, sku: str) -> None: ...

        class Desk(Shop):
            def __init__(self, saga: Saga) -> None:
                self.saga = saga

            async def sell(self, sku: str) -> None:
                await self.follow(sku)

            async def follow(self, sku: str) -> None:
                await self.saga.event(Gone, key=sku, within=60)
    """) == "Desk.sell waits for Gone (line 18), which it does not declare: add it to @saga(awaits=...)."


def test_what_is_no_event_cannot_be_waited_for_and_only_sagas_wait(refused: Refused) -> None:
    assert refused("""
        class Gone(Value):
            sku: str

        class Shop(Protocol):
            @saga(awaits=Gone)
            async def sell(self, sku: str) -> None: ...
    """) == "Shop.sell: awaits= names Gone, which is no event: subclass Event."
    assert refused("""
        class Shop(Protocol):
            @command(version=2)
            async def sell(self, sku: str) -> None: ...
    """) == "@command was given version= or awaits=: only a saga has a version, and waits."
    assert refused("""
        class Shop(Protocol):
            @saga(version=0)
            async def sell(self, sku: str) -> None: ...
    """) == "Shop.sell: version=0 is no version: count from 1."
