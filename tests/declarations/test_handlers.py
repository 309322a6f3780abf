"""What breaks the rules for methods that events call is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from craton.application import Application
from craton.describe import describe, text

Refused = Callable[[str], str]
EVENTS = """
        class Sold(Event, key='sku'):
            sku: str
        class Gone(Event, key='sku'):
            sku: str
"""
PROGRAM = EVENTS + """
        class Shop(Protocol):
            @on(Sold, Gone)
            async def learn(self, event: Sold | Gone) -> None: ...

            @on(Gone)
            @saga(raises=())
            async def clear(self, event: Gone) -> None: ...

            @saga(awaits=Sold)
            async def wait(self) -> None: ...

        class Till(Protocol):
            @on(Sold)
            async def count(self, event: Sold) -> None: ...

        class Desk(Shop):
            async def learn(self, event: Sold | Gone) -> None: ...
            async def clear(self, event: Gone) -> None: ...
            async def wait(self) -> None: ...

        app = Application('app', [Module('shop', Shop, f'{__name__}:Desk'), Module('till', Till, 'no.such:Till')])
"""


def built(build: Callable[[str], Application]) -> Application:
    return build(PROGRAM.replace("Module('till', Till, 'no.such:Till')", "Module('till', Till, f'{__name__}:Counter')")
                 + "        class Counter(Till):\n            async def count(self, event: Sold) -> None: ...\n")


def test_subscribers_are_known_by_their_names_without_loading_an_implementation(
    build: Callable[[str], Application]
) -> None:
    application = built(build)
    sold, gone = application.of(application.modules[0].contract).contract.learn.__craton_mark__.on  # type: ignore[attr-defined]
    assert application.subscribers(sold) == ("shop.learn", "till.count", "shop.$sagas")
    assert application.subscribers(gone) == ("shop.learn", "shop.clear")
    assert application.destinations() == {"Sold": ("shop", "till"), "Gone": ("shop",)}


def test_a_description_shows_which_events_call_a_method(build: Callable[[str], Application]) -> None:
    lines = text(describe(built(build), {})).splitlines()
    assert lines[lines.index("  command learn(event: Sold | Gone) -> None") + 1] == "      on Sold, Gone"
    assert lines[lines.index("  saga wait() -> None") + 1] == "      awaits Sold"


@pytest.mark.parametrize(("method", "why"), [
    ("@on(Sold)\n            @query\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find is marked @on and @query: write @on alone, or over @saga."),
    ("@on(Sold)\n            @effect\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find is marked @on and @effect: write @on alone, or over @saga."),
    ("@on(Sold)\n            async def find(self, event: Gone) -> None: ...",
     "Shop.find hears of Sold: write `async def find(self, event: Sold) -> None`."),
    ("@on(Sold, Gone)\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find hears of Sold | Gone: write `async def find(self, event: Sold | Gone) -> None`."),
    ("@on(Sold)\n            async def find(self, event: Sold, more: int = 0) -> None: ...",
     "Shop.find hears of Sold: write `async def find(self, event: Sold) -> None`."),
    ("@on(Sold)\n            async def find(self, event: Sold) -> str: ...",
     "Shop.find hears of Sold: write `async def find(self, event: Sold) -> None`."),
    ("@on()\n            async def find(self, event: Sold) -> None: ...",
     "@on names no event: write @on(OrderPlaced)."),
    ("@on(int)\n            async def find(self, event: int) -> None: ...",
     "Shop.find: @on names int, which is no event: subclass Event."),
    ("@on(Sold)\n            @command(post='/sold')\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find has a route, but only events call it: remove the route."),
    ("@on(Sold)\n            @command(raises=Missing)\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find declares Missing, but nobody would hear of it: catch it, or make it a @saga."),
    ("@saga\n            @on(Sold)\n            async def find(self, event: Sold) -> None: ...",
     "Shop.find is marked twice: keep one mark, and write @on(...) above it."),
])
def test_a_handler_that_its_events_could_not_call_is_refused(refused: Refused, method: str, why: str) -> None:
    assert refused(EVENTS + f"""
        class Missing(Fault):
            sku: str
        class Shop(Protocol):
            {method}
    """) == why


def test_events_that_cannot_be_told_apart_are_refused(refused: Refused) -> None:
    assert refused(EVENTS + """
        Other = type('Other', (), {})
        def make():
            class Sold(Event):
                text: str
            return Sold
        Second = make()
        class Shop(Protocol):
            @on(Sold)
            async def find(self, event: Sold) -> None: ...
            @on(Second)
            async def look(self, event: Second) -> None: ...
    """) == (
        "Sold is an event of PROGRAM and another one of PROGRAM: events are told apart by name; rename one."
    )


def test_a_handler_outside_a_contract_is_refused(refused: Refused) -> None:
    assert refused(EVENTS + """
        class Shop(Protocol):
            @query
            async def find(self) -> None: ...
        class Desk(Shop):
            async def find(self) -> None: ...
            @on(Sold)
            async def learn(self, event: Sold) -> None: ...
    """) == "Desk.learn hears of events, but is in no contract: publishers know contracts only; declare it in one."
