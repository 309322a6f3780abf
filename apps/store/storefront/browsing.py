"""Pages to look around in: home, categories, search, products."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass

from starlette.responses import Response

from apps.store.catalog.contract import InvalidCursor, ProductPage, Sort
from apps.store.storefront.rendering import page
from apps.store.storefront.serving import go, new_key
from apps.store.storefront.shop import Shelf, Shop, skus_of
from apps.store.storefront.visit import Visit

SORTS: dict[str, tuple[Sort, str]] = {
    "name": ("name", "Name"), "price": ("price", "Price, lowest first"), "-price": ("-price", "Price, highest first"),
    "newest": ("newest", "Newest"),
}
PAGE = 24
NEW, RELATED = 8, 4


@dataclass(frozen=True, slots=True)
class Browsing:
    """What visitors look at."""

    shop: Shop

    async def home(self, visit: Visit) -> Response:
        """The front page."""
        frame, newest, popular = await gather(
            self.shop.frame(), self.shop.catalog.products(sort="newest", limit=NEW), self.shop.goes_with(limit=RELATED)
        )  # the front page is nothing without what has come in last
        new = newest.items
        stock = await self.shop.stock_of((*skus_of(new), *skus_of(popular)))
        return page("home.html", visit, frame=frame, new=Shelf(new, stock), popular=Shelf(popular, stock))

    async def category(self, visit: Visit) -> Response:
        """The products of one category."""
        name = visit.request.path_params["name"]
        return await self.listing(visit, category=name, title=name)

    async def search(self, visit: Visit) -> Response:
        """Products by what is in their names and descriptions."""
        text = visit.request.query_params.get("q", "").replace("\0", "").strip()[:100]
        return await self.listing(visit, search=text, title=text)

    async def listing(self, visit: Visit, *, title: str, category: str | None = None, search: str = "") -> Response:
        """Some products, page by page."""
        asked = visit.request.query_params
        sort, _ = SORTS.get(asked.get("sort", "name"), SORTS["name"])
        try:
            frame, (found, shelf) = await gather(
                self.shop.frame(), self.found(category, search or None, sort, asked.get("after") or None)
            )
        except InvalidCursor:
            return go(visit.request.url.path, **{k: v for k, v in asked.items() if k != "after"})
        query = {"q": search} if category is None else {}
        return page(
            "listing.html", visit, frame=frame, shelf=shelf, total=found.total, next=found.next_cursor, title=title,
            category=category, query=query, sort=sort, sorts=SORTS, first=not asked.get("after"),
            status=404 if category is not None and not found.total else 200,
        )

    async def found(
        self, category: str | None, search: str | None, sort: Sort, cursor: str | None
    ) -> tuple[ProductPage, Shelf]:
        """A page of the catalog, with the stock of what is on it."""
        found = await self.shop.catalog.products(category=category, search=search, sort=sort, limit=PAGE, cursor=cursor)
        return found, await self.shop.shelf(found.items)

    async def product(self, visit: Visit) -> Response:
        """One product, what there is of it, and what others bought with it."""
        return await self.shown(visit, visit.request.path_params["sku"])

    async def shown(self, visit: Visit, sku: str, *, problem: str = "") -> Response:
        """The page of a product; with what is wrong with what was typed there."""
        frame, product, related = await gather(
            self.shop.frame(), self.shop.catalog.product(sku), self.shop.goes_with(sku, limit=RELATED)
        )
        stock = await self.shop.stock_of((sku, *skus_of(related)))
        return page(
            "product.html", visit, status=422 if problem else 200, frame=frame, product=product, stock=stock.get(sku),
            related=Shelf(related, stock), key=new_key(self.shop), problem=problem,
        )
