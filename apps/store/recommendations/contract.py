"""What others may know of recommendations."""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta

from apps.store.catalog.contract import ProductDiscontinued, Sku
from apps.store.inventory.contract import StockBack, StockOut
from apps.store.orders.events import OrderPaid
from craton import Value, on, query

Limit = Annotated[int, Meta(ge=1, le=50)]
Skus = Annotated[tuple[Sku, ...], Meta(max_length=200)]


class Recommendation(Value):
    """A product, and why: how often it was bought with what was asked about, or how many of it were sold at all."""

    sku: str
    score: int
    reason: Literal["also bought", "popular"]


class Recommendations(Protocol):
    """What goes with what. Others do well without: need it as `Recommendations | None`, and expect CallError."""

    @query(post="/recommendations", allow="anyone")
    async def also_bought(self, skus: Skus, limit: Limit = 6) -> tuple[Recommendation, ...]:
        """What was bought with these products, the most often first, and then what sells best. Only what can be bought,
        and nothing of what was asked about."""
        ...

    @on(OrderPaid)
    async def learn(self, event: OrderPaid) -> None:
        """These products were bought together."""
        ...

    @on(ProductDiscontinued)
    async def forget(self, event: ProductDiscontinued) -> None:
        """It can no longer be bought."""
        ...

    @on(StockOut)
    async def pass_over(self, event: StockOut) -> None:
        """It cannot be bought for now."""
        ...

    @on(StockBack)
    async def offer_again(self, event: StockBack) -> None:
        """It can be bought again."""
        ...
