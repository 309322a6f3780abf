"""The list of products: filters, orders and cursors, as one statement."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from apps.store.catalog.contract import InvalidCursor, Sort
from apps.store.catalog.tables import labels, products

p = products.c
ORDERS = {"name": ("name", False), "price": ("price", False), "-price": ("price", True), "newest": ("created", True)}
"""The column that each order sorts by, and whether downwards; equal ones follow by sku."""


class Place(msgspec.Struct, frozen=True):
    """Where a page ended: the order it was sorted in, and its last product's value and sku."""

    sort: Sort
    value: str | int | float
    sku: str


def write_cursor(place: Place) -> str:
    """A place, as a text that fits into a URL."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(cursor: str, sort: Sort) -> Place:
    """The place that a cursor stands for. InvalidCursor where it is none, or one of another order."""
    try:
        place = msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=Place)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidCursor from error
    if place.sort != sort or isinstance(place.value, str) != (sort == "name") or not storable(place):
        raise InvalidCursor
    return place


def storable(place: Place) -> bool:
    """Whether every database could hold what a cursor claims."""
    text = place.sku + (place.value if isinstance(place.value, str) else "")
    return "\0" not in text and not (isinstance(place.value, int) and abs(place.value) >= 2**63)


def on_sale(category: str | None, brand: str | None, search: str | None) -> list[ColumnElement[bool]]:
    """The conditions of the filters."""
    found: list[ColumnElement[bool]] = [p.status == "active"]
    if category is not None:
        found.append(p.sku.in_(select(labels.c.sku).where(labels.c.category == category)))
    if brand is not None:
        found.append(p.brand == brand)
    if search:
        text = search.lower()
        found.append(or_(*(func.lower(c).contains(text, autoescape=True) for c in (p.name, p.description))))
    return found


def after(place: Place) -> ColumnElement[bool]:
    """The condition for what follows a place."""
    name, downwards = ORDERS[place.sort]
    column = p[name]
    beyond = column < place.value if downwards else column > place.value
    return or_(beyond, and_(column == place.value, p.sku > place.sku))


def page(conditions: list[ColumnElement[bool]], sort: Sort, *, limit: int, start: Place | None) -> Select[Any]:
    """A page and one product more, each row with the number of all that fit as `total`: one snapshot of both."""
    name, downwards = ORDERS[sort]
    total = select(func.count()).select_from(products).where(*conditions).scalar_subquery().label("total")
    rows = select(products, total).where(*conditions, *([after(start)] if start else []))
    return rows.order_by(p[name].desc() if downwards else p[name], p.sku).limit(limit + 1)
