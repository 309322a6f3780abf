"""What the module offers: nothing but its tasks."""

from __future__ import annotations

from typing import Protocol

from craton import query


class Kit(Protocol):
    """Has tasks."""

    @query(allow="anyone")
    async def nothing(self) -> None:
        """A contract has a method."""
        ...
