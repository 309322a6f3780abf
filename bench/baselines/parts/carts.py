"""Carts: one live cart for each customer."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from apps.store.carts.tables import carts, lines, products
from bench.baselines.database import AsyncConnection
from bench.baselines.faults import Fault
from bench.baselines.values import Cart, CartLine, Money, Product, new_id

MOST = 99
"""Of one product in one cart."""
LIFETIME = 30 * 24 * 3600
c, n = carts.c, lines.c
LIVE = (c.owner == bindparam("owner"), c.state.in_(("open", "frozen")))
BY_ID, BY_OWNER = select(carts).where(c.id == bindparam("cart")), select(carts).where(*LIVE)
LINES = (
    select(n.sku, n.name, n.quantity, n.price, n.revision, n.withdrawn, products.c.price.label("heard"),
           products.c.currency, products.c.revision.label("heard_revision"))
    .outerjoin(products, products.c.sku == n.sku).where(n.cart_id == bindparam("cart")).order_by(n.position)
)
COUNT = (
    select(func.coalesce(func.sum(n.quantity), 0)).join(carts, c.id == n.cart_id)
    .where(c.owner == bindparam("owner"), c.state == "open", c.expires > bindparam("now"), ~n.withdrawn)
)
MAKE = insert(carts).values(
    id=bindparam("cart"), owner=bindparam("owner"), state="open", version=0, currency=bindparam("currency"),
    order_id=None, expires=bindparam("until"),
).on_conflict_do_nothing()
WITHDRAWN = select(products.c.discontinued).where(products.c.sku == bindparam("sku"))
place = select(func.coalesce(func.max(n.position) + 1, 0)).where(n.cart_id == bindparam("cart")).scalar_subquery()
line = insert(lines).values(
    cart_id=bindparam("cart"), sku=bindparam("sku"), name=bindparam("name"), quantity=bindparam("quantity"),
    price=bindparam("price"), revision=bindparam("revision"), position=place, withdrawn=False,
)
PUT = line.on_conflict_do_update(index_elements=[n.cart_id, n.sku], set_=dict(
    quantity=n.quantity + line.excluded.quantity, price=line.excluded.price, revision=line.excluded.revision,
    name=line.excluded.name,
)).returning(n.quantity)
TOUCH = update(carts).where(c.id == bindparam("cart")).values(version=c.version + 1, expires=bindparam("until"))
HOLD = update(carts).where(c.id == bindparam("cart")).values(state="frozen", order_id=bindparam("order"))
FROZEN = (c.id == bindparam("cart"), c.state == "frozen", c.order_id == bindparam("order"))
END = update(carts).where(c.id == bindparam("cart")).values(state=bindparam("to"))
CLOSE = update(carts).where(*FROZEN).values(state="closed")
REOPEN = update(carts).where(*FROZEN).values(state="open", order_id=None, expires=bindparam("until"))


async def mine(db: AsyncConnection, owner: str) -> Cart:
    """A customer's cart; an empty one where there is none."""
    row = (await db.execute(BY_OWNER, {"owner": owner})).first()
    if row is None or expired(row):
        return Cart("", 0, "open", "USD", [], Money(0))
    return await read(db, row)


async def count(db: AsyncConnection, owner: str) -> int:
    """How many things are in a customer's cart."""
    return int((await db.execute(COUNT, {"owner": owner, "now": time.time()})).scalar_one())


async def add(db: AsyncConnection, owner: str, product: Product, quantity: int) -> None:
    """Put so many of a product into a customer's cart. In a transaction."""
    if product.status != "active" or (await db.execute(WITHDRAWN, {"sku": product.sku})).scalar():
        raise Fault("ProductUnavailable")
    cart = await opened(db, owner, product.price.currency)
    if cart.state == "frozen":
        raise Fault("CartFrozen", order=cart.order_id)
    if cart.currency != product.price.currency:
        raise Fault("MixedCurrencies")
    put = dict(sku=product.sku, name=product.name, price=product.price.amount, revision=product.version)
    if (await db.execute(PUT, {"cart": cart.id, "quantity": quantity, **put})).scalar_one() > MOST:
        raise Fault("QuantityLimit", 422)
    await db.execute(TOUCH, {"cart": cart.id, "until": time.time() + LIFETIME})


async def opened(db: AsyncConnection, owner: str, currency: str) -> Any:
    """The row of a customer's live cart, locked; a new one where there is none."""
    found = (await db.execute(BY_OWNER.with_for_update(), {"owner": owner})).first()
    if found is not None and not expired(found):
        return found
    if found is not None:
        await db.execute(END, {"cart": found.id, "to": "expired"})
    new = {"cart": new_id("cart"), "owner": owner, "currency": currency, "until": time.time() + LIFETIME}
    await db.execute(MAKE, new)  # where another window was quicker, it is that one's
    return (await db.execute(BY_OWNER.with_for_update(), {"owner": owner})).one()


async def freeze(db: AsyncConnection, cart: str, *, version: int, owner: str, order: str) -> Cart:
    """Keep a cart as it is while it is being bought. In a transaction; twice for one order is as good as once."""
    row = (await db.execute(BY_ID.with_for_update(), {"cart": cart})).first()
    if row is None or row.owner != owner:
        raise Fault("CartNotFound", 404)
    if row.state in ("frozen", "closed") and row.order_id != order:
        raise Fault("CartFrozen", order=row.order_id)
    if row.state not in ("open", "frozen") or expired(row):
        raise Fault("CartExpired", 410)
    if row.version != version:
        raise Fault("CartChanged")
    found = await read(db, row)
    if not found.lines:
        raise Fault("EmptyCart", 422)
    await db.execute(HOLD, {"cart": cart, "order": order})
    return found


async def close(db: AsyncConnection, cart: str, order: str) -> None:
    """A cart that this order froze was bought."""
    await db.execute(CLOSE, {"cart": cart, "order": order})


async def reopen(db: AsyncConnection, cart: str, order: str) -> None:
    """A cart that this order froze may be changed again."""
    await db.execute(REOPEN, {"cart": cart, "order": order, "until": time.time() + LIFETIME})


async def read(db: AsyncConnection, row: Any) -> Cart:
    """A row of a cart, with its lines."""
    found = (await db.execute(LINES, {"cart": row.id})).all()
    kept = [line_of(one, row.currency) for one in found if not one.withdrawn]
    gone = [line_of(one, row.currency) for one in found if one.withdrawn]
    total = Money(sum(line.unit_price.amount * line.quantity for line in kept), row.currency)
    return Cart(row.id, row.version, row.state, row.currency, kept, total, row.order_id, gone)


def line_of(row: Any, currency: str) -> CartLine:
    """A line, with what the catalog has told since of its price."""
    price = Money(row.price, currency)
    line = CartLine(row.sku, row.name, row.quantity, price)
    if row.heard is not None and row.heard_revision > row.revision:
        now = Money(row.heard, row.currency)
        line.price_now = None if now == price else now
    return line


def expired(row: Any) -> bool:
    """Whether a cart was left alone for too long."""
    return bool(row.state == "open" and row.expires <= time.time())
