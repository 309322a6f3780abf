"""What the service promises."""

from __future__ import annotations

from typing import Protocol

from craton import Fault, Value, command, query


class Sale(Value):
    """What was sold."""

    customer: str
    total: int


class NoSale(Fault, status=404):
    """There is no such sale."""

    order: str


class Sales(Protocol):
    """What was sold."""

    @query(get="/sales/{order}", raises=NoSale, allow="anyone")
    async def sale(self, order: str) -> Sale:
        """What was sold by an order."""
        ...

    @command(post="/sales", allow="anyone")
    async def sell(self, order: str, customer: str, total: int) -> None:
        """Sell something."""
        ...
