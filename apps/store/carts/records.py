"""Carts as rows: the statements of the carts module."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, false, insert, select, true, update

from apps.store.carts.contract import Cart, CartLine, State
from apps.store.carts.tables import carts, lines, products
from apps.store.money import Money, total
from craton import Database

HEARD_OF = (
    products.c.price.label("heard"), products.c.currency.label("heard_currency"),
    products.c.revision.label("heard_revision"),
)
WHOLE = (
    select(carts, *(column for column in lines.c if column is not lines.c.cart_id), *HEARD_OF)
    .outerjoin(lines, lines.c.cart_id == carts.c.id).outerjoin(products, products.c.sku == lines.c.sku)
    .order_by(lines.c.position)
)
"""A cart beside each of its lines, with what we have heard of its product; an empty one beside none."""
BY_ID = WHOLE.where(carts.c.id == bindparam("wanted"))
BY_OWNER = WHOLE.where(carts.c.owner == bindparam("wanted"), carts.c.state.in_(("open", "frozen")))
OVERDUE = select(carts.c.id).where(carts.c.state == "open", carts.c.expires <= bindparam("now")).order_by(carts.c.id)
INSERT, INSERT_LINE = insert(carts), insert(lines)
CHANGE = update(carts).where(carts.c.id == bindparam("wanted"))
SAVE = CHANGE.values(version=bindparam("next"), expires=bindparam("until"))
END = CHANGE.values(state=bindparam("to"))
HOLD = CHANGE.values(state="frozen", order_id=bindparam("by"))
LET_GO = CHANGE.values(state="open", order_id=None, expires=bindparam("until"))
CLEAR = delete(lines).where(lines.c.cart_id == bindparam("wanted"))
HEARD = select(products).where(products.c.sku == bindparam("wanted"))
HEAR = insert(products)
HEAR_MORE = update(products).where(products.c.sku == bindparam("wanted"))
KEPT = lines.c.withdrawn == false()
HOLDERS = select(lines.c.cart_id).where(lines.c.sku == bindparam("gone"), KEPT)
RAISE_ALL = (
    update(carts).where(carts.c.state == "open", carts.c.id.in_(HOLDERS)).values(version=carts.c.version + 1)
)
OPEN = select(carts.c.id).where(carts.c.state == "open")
WITHDRAW = (
    update(lines).where(lines.c.sku == bindparam("gone"), KEPT, lines.c.cart_id.in_(OPEN)).values(withdrawn=True)
)
GONE = select(products.c.sku).where(products.c.discontinued == true())
LEAVE = update(lines).values(withdrawn=True).where(lines.c.cart_id == bindparam("wanted"), KEPT, lines.c.sku.in_(GONE))
RAISE = CHANGE.values(version=carts.c.version + 1)


class Record(NamedTuple):
    """A cart, and what only this module knows of it."""

    cart: Cart
    owner: str
    expires: float


class Records:
    """Reads and writes carts."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, cart: str) -> Record | None:
        """A cart by its id."""
        return record_of((await self.db.execute(BY_ID, {"wanted": cart})).mappings().all())

    async def live(self, owner: str) -> Record | None:
        """The open or frozen cart of an owner; the database sees to it that there is one at most."""
        return record_of((await self.db.execute(BY_OWNER, {"wanted": owner})).mappings().all())

    async def make(self, cart: str, owner: str, *, currency: str, expires: float) -> Cart:
        """A new, empty cart."""
        row = dict(
            id=cart, owner=owner, state="open", version=0, currency=currency, order_id=None, expires=expires,
        )
        await self.db.execute(INSERT, row)
        return Cart(cart, 0, "open", currency, (), Money(0, currency), datetime.fromtimestamp(expires, UTC))

    async def save(self, cart: Cart, changed: tuple[CartLine, ...], *, expires: float) -> Cart:
        """A cart with other lines, one version on."""
        await self.db.execute(SAVE, {"wanted": cart.id, "next": cart.version + 1, "until": expires})
        await self.db.execute(CLEAR, {"wanted": cart.id})
        rows = [
            dict(cart_id=cart.id, sku=line.sku, name=line.name, quantity=line.quantity, price=line.unit_price.amount,
                 position=position, revision=line.revision)
            for position, line in enumerate(changed)
        ]
        if rows:
            await self.db.execute(INSERT_LINE, rows)
        return msgspec.structs.replace(
            cart, version=cart.version + 1, lines=changed, total=sum_of(changed, cart.currency),
            expires=datetime.fromtimestamp(expires, UTC), withdrawn=(),
        )

    async def hold(self, cart: Cart, order: str) -> Cart:
        """A cart that an order has frozen."""
        await self.db.execute(HOLD, {"wanted": cart.id, "by": order})
        return msgspec.structs.replace(cart, state="frozen", order=order)

    async def let_go(self, cart: str, *, expires: float) -> None:
        """A cart that may be changed again, without what was discontinued meanwhile."""
        await self.db.execute(LET_GO, {"wanted": cart, "until": expires})
        if (await self.db.execute(LEAVE, {"wanted": cart})).rowcount:
            await self.db.execute(RAISE, {"wanted": cart})

    async def discontinued(self, sku: str) -> bool:
        """Whether the catalog has told us that a product is no longer sold."""
        found = (await self.db.execute(HEARD, {"wanted": sku})).mappings().first()
        return found is not None and found["discontinued"]

    async def hear(self, sku: str, revision: int, **news: Any) -> None:
        """What the catalog has told us of a product, unless we have heard something newer."""
        found = (await self.db.execute(HEARD, {"wanted": sku})).mappings().first()
        if found is None:
            unknown = dict(sku=sku, price=None, currency=None, discontinued=False)
            await self.db.execute(HEAR, {**unknown, "revision": revision, **news})
        elif found["revision"] < revision:
            await self.db.execute(HEAR_MORE.values(revision=revision, **news), {"wanted": sku})

    async def withdraw(self, sku: str) -> None:
        """Take a product out of every open cart."""
        await self.db.execute(RAISE_ALL, {"gone": sku})
        await self.db.execute(WITHDRAW, {"gone": sku})

    async def end(self, cart: str, state: State) -> None:
        """A cart that is over."""
        await self.db.execute(END, {"wanted": cart, "to": state})

    async def overdue(self, now: float) -> list[str]:
        """Carts whose time has passed."""
        return list((await self.db.execute(OVERDUE, {"now": now})).scalars().all())


def record_of(rows: Sequence[Any]) -> Record | None:
    """A cart of its rows; None of none."""
    if not rows:
        return None
    row, found = rows[0], [row for row in rows if row["sku"] is not None]
    kept = tuple(line_of(line) for line in found if not line["withdrawn"])
    cart = Cart(
        row["id"], row["version"], row["state"], row["currency"], kept, sum_of(kept, row["currency"]),
        datetime.fromtimestamp(row["expires"], UTC), row["order_id"],
        tuple(line_of(line) for line in found if line["withdrawn"]),
    )
    return Record(cart, row["owner"], row["expires"])


def line_of(row: Any) -> CartLine:
    """A line as others see it, with what we have heard since of its price."""
    line = CartLine(row["sku"], row["name"], row["quantity"], Money(row["price"], row["currency"]), row["revision"])
    if row["heard"] is None or row["heard_revision"] <= line.revision:
        return line
    now = Money(row["heard"], row["heard_currency"])
    return line if now == line.unit_price else msgspec.structs.replace(line, price_now=now)


def sum_of(kept: tuple[CartLine, ...], currency: str) -> Money:
    """What the lines come to."""
    return total(currency, *(line.unit_price.times(line.quantity) for line in kept))
