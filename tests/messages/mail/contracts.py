"""What the modules of the tests' mail application may know of each other."""

from __future__ import annotations

from typing import Any, Protocol

from craton import Event, Value, command, on, query, saga


class Placed(Event, key="order"):
    order: str
    number: int = 0


class Closed(Event, key="order"):
    order: str
    why: str = ""


class Noticed(Event, version=2):
    text: str

    @staticmethod
    def upcast(version: int, data: dict[str, Any]) -> dict[str, Any]:
        """Version 1 had lines."""
        return {"text": " ".join(data["lines"])}


class Ignored(Event, key="order"):
    order: str


class Seen(Value):
    """What a handler wrote down."""

    stream: str
    text: str


class Orders(Protocol):
    """Publishes."""

    @command(post="/orders/{order}/places")
    async def place(self, order: str, numbers: tuple[int, ...] = (0,)) -> None: ...

    @command(post="/orders/{order}/closings")
    async def close(self, order: str, why: str = "") -> None: ...

    @command(post="/notices")
    async def notice(self, text: str) -> None: ...

    @command(post="/orders/{order}/failures")
    async def fail(self, order: str) -> None: ...

    @query(get="/orders")
    async def orders(self) -> tuple[Seen, ...]: ...


class Learner(Protocol):
    """Subscribes to one event."""

    @on(Placed)
    async def learn(self, event: Placed) -> None: ...

    @query(get="/learned")
    async def learned(self) -> tuple[Seen, ...]: ...


class Teller(Protocol):
    """Subscribes to several, one handler beside the other, and begins a saga."""

    @on(Placed, Closed)
    async def tell(self, event: Placed | Closed) -> None: ...

    @on(Noticed)
    async def hang_out(self, event: Noticed) -> None: ...

    @on(Closed)
    @saga
    async def file(self, event: Closed) -> None: ...

    @query(get="/told")
    async def told(self) -> tuple[Seen, ...]: ...
